;; every guest's first lines; see README.md
;; text
(import "caveat:policy/log@0.1.0" "write" (func $log (param $level i32) (param $at i32) (param $len i32)))
;; end text
(import "caveat:policy/log@0.1.0" "write-piece" (func $piece
  (param $level i32) (param i64 i64 i64 i64 i64 i64 i64 i64) (param $more i32)))
;; memory
(memory (export "memory") 2)
;; end memory
(global $heap (mut i32) (i32.const 8192))
;; allocator
(func (export "cabi_realloc") (param $old i32) (param $old_len i32) (param $align i32) (param $len i32) (result i32)
  (local $at i32)
  (local.set $at
    (i32.and (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
  (global.set $heap (i32.add (local.get $at) (local.get $len)))
  (local.get $at))
;; end allocator
;; configure
(func (export "caveat:policy/settings@0.1.0#configure") (param i32 i32) (result i32) (i32.const 1024))
;; end configure
