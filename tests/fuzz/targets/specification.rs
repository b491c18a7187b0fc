//! Feeds whatever the fuzzer comes up with to the reading of specifications.

#![no_main]

#[path = "../specification.rs"]
mod specification;

libfuzzer_sys::fuzz_target!(|data: &[u8]| specification::feed(data));
