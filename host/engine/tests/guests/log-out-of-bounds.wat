;; Writes a line that would end beyond its memory.
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32)
  (call $log (i32.const 1) (i32.const 131000) (i32.const 0x7fffffff))
  (i32.const 1024))
