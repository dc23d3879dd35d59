;; Fills a mebibyte again and again: much time for few instructions.
(memory (export "memory") 17)
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32)
  (loop $again (memory.fill (i32.const 65536) (i32.const 0x78) (i32.const 0x100000)) (br $again))
  unreachable)
