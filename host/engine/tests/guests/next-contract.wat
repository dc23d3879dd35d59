(component
  (instance $rules)
  (export "caveat:policy/capture@0.2.0" (instance $rules)))
