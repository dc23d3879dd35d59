;; Never answers.
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32)
  (loop $again (br $again))
  (i32.const 1024))
