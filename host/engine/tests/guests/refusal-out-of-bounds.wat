;; Refuses its settings, and says that its reasons go on for 2^31 bytes.
(func (export "caveat:policy/settings@0.1.0#configure") (param i32 i32) (result i32)
  (i32.store8 (i32.const 2048) (i32.const 1))
  (i32.store (i32.const 2052) (i32.const 3072)) (i32.store (i32.const 2056) (i32.const 0x7ffffff))
  (i32.const 2048))
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32) (i32.const 1024))
