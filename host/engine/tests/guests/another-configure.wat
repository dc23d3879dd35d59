(component
  (core module $m (func (export "configure") (param i32)))
  (core instance $i (instantiate $m))
  (func $configure (param "settings" u32) (canon lift (core func $i "configure")))
  (instance $settings (export "configure" (func $configure)))
  (export "caveat:policy/settings@0.1.0" (instance $settings)))
