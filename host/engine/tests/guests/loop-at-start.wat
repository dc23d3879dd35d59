;; Is never done with starting.
(func $forever (loop $again (br $again)))
(start $forever)
(func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32) (i32.const 1024))
