//! Attaches to what the fuzzer writes, as every type and in every way, and uses all that it finds.

#![no_main]

use std::sync::{LazyLock, Mutex, PoisonError};

use libfuzzer_sys::fuzz_target;
use shm_tests::hostile::{Scratch, interpret};

static SCRATCH: LazyLock<Mutex<Scratch>> =
    LazyLock::new(|| Mutex::new(Scratch::new(&format!("/shm-fuzz-{}", std::process::id()))));

fuzz_target!(|data: &[u8]| {
    let mut scratch = SCRATCH.lock().unwrap_or_else(PoisonError::into_inner);
    let forgery = interpret(&scratch, data);
    scratch.check(&forgery);
});
