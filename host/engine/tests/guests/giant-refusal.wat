;; Refuses its settings for 20,000 reasons, all empty.
(memory (export "memory") 8)
(func (export "caveat:policy/settings@0.1.0#configure") (param i32 i32) (result i32)
  (i32.store8 (i32.const 2048) (i32.const 1))
  (i32.store (i32.const 2052) (i32.const 65536)) (i32.store (i32.const 2056) (i32.const 20000))
  (i32.const 2048))
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32) (i32.const 1024))
