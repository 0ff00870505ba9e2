//! See `souk_policy_fuzz::request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| souk_policy_fuzz::request(input));
