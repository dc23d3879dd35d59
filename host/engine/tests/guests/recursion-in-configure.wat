;; Calls itself for ever, while it is configured.
(func $down (param $n i32) (result i32) (i32.add (i32.const 1) (call $down (local.get $n))))
(func (export "caveat:policy/settings@0.1.0#configure") (param i32 i32) (result i32)
  (drop (call $down (i32.const 0)))
  (i32.const 1024))
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32) (i32.const 1024))
