;; Grows a table to 5,000 elements, and would answer then. A table that changes also rules out a snapshot.
(table $t 0 funcref)
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32)
  (drop (table.grow $t (ref.null func) (i32.const 5000)))
  (i32.const 1024))
