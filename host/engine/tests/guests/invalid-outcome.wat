;; Answers with an outcome that does not exist.
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32)
  (i32.store8 (i32.const 2048) (i32.const 9))
  (i32.const 2048))
