;; Answers with 300 empty remedies.
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32)
  (i32.store (i32.const 2060) (i32.const 65536)) (i32.store (i32.const 2064) (i32.const 300))
  (i32.const 2048))
