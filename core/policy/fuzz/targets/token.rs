//! See `souk_policy_fuzz::token`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| souk_policy_fuzz::token(input));
