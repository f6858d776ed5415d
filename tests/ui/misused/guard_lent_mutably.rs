//! A guard can be lent to another thread, but not to change the guard itself.

use shm_core::ShmLayout;
use shm_core::sync::Mutex;

fn main() {
    let shm = Mutex::<u64>::create_anonymous().unwrap();
    let mut guard = shm.lock().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| guard.set(1)); // accepted
    });
    std::thread::scope(|scope| {
        scope.spawn(|| guard.mark_consistent());
    });
}
