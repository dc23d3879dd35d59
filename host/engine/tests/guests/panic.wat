;; Breaks off as a Rust pack does: its message as a warning first, then the trap.
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32)
  (call $log (i32.const 2) (i32.const 512) (i32.const 12))
  (unreachable))
(data (i32.const 512) "index 3 of 2")
