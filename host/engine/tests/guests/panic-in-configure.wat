;; Breaks off while it is configured.
(func (export "caveat:policy/settings@0.1.0#configure") (param i32 i32) (result i32)
  (call $log (i32.const 2) (i32.const 512) (i32.const 13))
  (unreachable))
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32) (i32.const 1024))
(data (i32.const 512) "bad day today")
