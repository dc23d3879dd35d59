;; Gives the facts no room: its allocator points beyond its memory.
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0x7ffffff0))
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32) (i32.const 1024))
(func (export "caveat:policy/settings@0.1.0#configure") (param i32 i32) (result i32) (i32.const 1024))
