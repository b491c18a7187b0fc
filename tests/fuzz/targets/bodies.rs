//! Feeds whatever the fuzzer comes up with to the reading of the tracker's bodies.

#![no_main]

#[path = "../bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::feed(data));
