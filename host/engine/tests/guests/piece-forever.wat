;; Writes pieces of one line, and never ends it.
(func $say (param $text i64) (param $more i32)
  (call $piece (i32.const 2) (local.get $text) (local.get $text) (local.get $text) (local.get $text)
    (local.get $text) (local.get $text) (local.get $text) (local.get $text) (local.get $more)))
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32)
  (loop $again (call $say (i64.const 0x7878787878787878) (i32.const 1)) (br $again))
  unreachable)
