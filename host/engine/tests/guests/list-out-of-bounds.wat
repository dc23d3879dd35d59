;; Says that its obligations go on for 2^31 bytes.
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32)
  (i32.store (i32.const 2052) (i32.const 3072)) (i32.store (i32.const 2056) (i32.const 0x7fffffff))
  (i32.const 2048))
