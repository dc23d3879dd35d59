;; Wants a span purged that ends before it begins.
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32)
  (i32.store (i32.const 2052) (i32.const 3072)) (i32.store (i32.const 2056) (i32.const 1))
  (i32.store8 (i32.const 3072) (i32.const 3))
  (i32.store (i32.const 3084) (i32.const 10)) (i32.store (i32.const 3088) (i32.const 9))
  (i32.const 2048))
