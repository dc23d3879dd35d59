;; Grows a table by 5,000 elements for as long as it can, while it is configured.
(table $t 0 funcref)
(func (export "caveat:policy/settings@0.1.0#configure") (param i32 i32) (result i32)
  (loop $again (br_if $again (i32.ne (table.grow $t (ref.null func) (i32.const 5000)) (i32.const -1))))
  (i32.const 1024))
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32) (i32.const 1024))
