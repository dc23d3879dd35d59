;; Says in two pieces what is wrong, and traps.
(func $say (param $text i64) (param $rest i64) (param $more i32)
  (call $piece (i32.const 2) (local.get $text) (local.get $rest) (local.get $rest) (local.get $rest)
    (local.get $rest) (local.get $rest) (local.get $rest) (local.get $rest) (local.get $more)))
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32)
  ;; "a good b", "y and th", seven times; "e end"
  (call $say (i64.const 0x6220646f6f672061) (i64.const 0x687420646e612079) (i32.const 1))
  (call $say (i64.const 0x646e652065) (i64.const 0) (i32.const 0))
  unreachable)
