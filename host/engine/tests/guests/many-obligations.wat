;; Answers with 20,000 obligations (announce, by no rule).
(memory (export "memory") 16)
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32)
  (i32.store (i32.const 2052) (i32.const 131072)) (i32.store (i32.const 2056) (i32.const 20000))
  (i32.const 2048))
