;; Says that its ruling lies beyond its memory.
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32) (i32.const 0x7ffffff0))
