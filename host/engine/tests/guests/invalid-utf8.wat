;; Answers with an alert that is no text.
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32)
  (i32.store (i32.const 2052) (i32.const 3072)) (i32.store (i32.const 2056) (i32.const 1))
  (i32.store8 (i32.const 3072) (i32.const 12))
  (i32.store (i32.const 3080) (i32.const 512)) (i32.store (i32.const 3084) (i32.const 2))
  (i32.const 2048))
(data (i32.const 512) "\ff\fe")
