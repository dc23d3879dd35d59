;; Writes lines and never answers.
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32)
  (loop $again (call $log (i32.const 1) (i32.const 0) (i32.const 1000)) (br $again))
  unreachable)
