;; Grows its memory by a page for as long as it can, while it is configured.
(func (export "caveat:policy/settings@0.1.0#configure") (param i32 i32) (result i32)
  (loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
  (i32.const 1024))
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32) (i32.const 1024))
