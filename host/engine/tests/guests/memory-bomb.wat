;; Grows its memory page by page, to 8 MiB, and would answer then.
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32)
  (loop $again
    (drop (memory.grow (i32.const 1)))
    (br_if $again (i32.lt_u (memory.size) (i32.const 128))))
  (i32.const 1024))
