#![no_main]

libfuzzer_sys::fuzz_target!(init: caveat_fuzz::let_the_snapshotter_give_up(), |data: &[u8]| caveat_fuzz::pack_load(data));
