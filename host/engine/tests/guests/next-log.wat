(component
  (import "caveat:policy/log@0.2.0" (instance (export "write" (func (param "line" string))))))
