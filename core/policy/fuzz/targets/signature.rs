//! See `souk_policy_fuzz::signature`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| souk_policy_fuzz::signature(input));
