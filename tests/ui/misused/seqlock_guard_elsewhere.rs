//! A guard commits unless its thread panics, so it cannot be sent to another thread.

use shm_core::ShmLayout;
use shm_core::sync::SeqLock;

fn main() {
    let limit = SeqLock::<u64>::create_anonymous().unwrap();
    let guard = limit.write().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || guard.commit());
    });
}
