;; Writes 10,000 lines of 5,000 bytes, and answers.
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32)
  (local $n i32)
  (memory.fill (i32.const 65536) (i32.const 0x78) (i32.const 5000))
  (loop $again
    (call $log (i32.const 1) (i32.const 65536) (i32.const 5000))
    (local.set $n (i32.add (local.get $n) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $n) (i32.const 10000))))
  (i32.const 1024))
