#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| motet_fuzz::checks::proxy_header(data));
