;; Comes with 64 MiB of memory.
(memory (export "memory") 1024)
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32) (i32.const 1024))
