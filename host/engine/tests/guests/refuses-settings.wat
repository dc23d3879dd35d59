;; Finds one thing wrong with any settings.
(func (export "caveat:policy/settings@0.1.0#configure") (param i32 i32) (result i32)
  (i32.store8 (i32.const 2048) (i32.const 1))
  (i32.store (i32.const 2052) (i32.const 600)) (i32.store (i32.const 2056) (i32.const 1))
  (i32.const 2048))
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32) (i32.const 1024))
(data (i32.const 512) "/optionsnot a choice")
(data (i32.const 600) "\00\02\00\00\08\00\00\00\08\02\00\00\0c\00\00\00")
