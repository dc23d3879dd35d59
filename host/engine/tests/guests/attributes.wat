;; Says how many attributes it was told of, as the seconds between two beeps. The event takes 40 bytes with its padding;
;; the length of the list is 100 bytes into the facts.
(func (export "caveat:policy/capture@0.1.0#rule") (param $args i32) (result i32)
  (i32.store (i32.const 2052) (i32.const 3072)) (i32.store (i32.const 2056) (i32.const 1))
  (i32.store8 (i32.const 3072) (i32.const 1))
  (i32.store16 (i32.const 3080) (i32.load offset=140 (local.get $args)))
  (i32.const 2048))
