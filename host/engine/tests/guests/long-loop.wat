;; Answers after a hundred million turns.
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32)
  (local $n i32)
  (loop $again
    (local.set $n (i32.add (local.get $n) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $n) (i32.const 100000000))))
  (i32.const 1024))
