;; Breaks off without a word.
(func $rule (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32) (unreachable))
