;; Writes one line of 300,000 bytes, and answers.
(memory (export "memory") 8)
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32)
  (memory.fill (i32.const 65536) (i32.const 0x78) (i32.const 300000))
  (call $log (i32.const 1) (i32.const 65536) (i32.const 300000))
  (i32.const 1024))
