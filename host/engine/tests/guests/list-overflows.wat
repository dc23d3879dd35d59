;; Claims so many obligations that their length in bytes wraps around to 24.
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32)
  (i32.store (i32.const 2052) (i32.const 3072)) (i32.store (i32.const 2056) (i32.const 0x6666667))
  (i32.const 2048))
