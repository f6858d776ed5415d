//! The guard of a `SeqLock` gives out references to its value, so it is shared only if the value may be.

use std::cell::Cell;
use std::marker::PhantomData;

use shm_core::ShmLayout;
use shm_core::sync::SeqLock;

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Local {
    number: u64,
    one_thread: PhantomData<Cell<u8>>,
}

fn main() {
    let shm = SeqLock::<Local>::create_anonymous().unwrap();
    let guard = shm.write().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| guard.number);
    });
}
