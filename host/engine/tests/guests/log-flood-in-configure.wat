;; Writes 1,000 lines while it is configured.
(func (export "caveat:policy/settings@0.1.0#configure") (param i32 i32) (result i32)
  (local $n i32)
  (loop $again
    (call $log (i32.const 1) (i32.const 512) (i32.const 4))
    (local.set $n (i32.add (local.get $n) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $n) (i32.const 1000))))
  (i32.const 1024))
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32) (i32.const 1024))
(data (i32.const 512) "line")
