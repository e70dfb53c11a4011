#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| keyfold_conformance::fuzz::provider_reply(bytes));
