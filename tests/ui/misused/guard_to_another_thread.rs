//! A guard cannot be sent to another thread.

use shm_core::ShmLayout;
use shm_core::sync::Mutex;

fn main() {
    let shm = Mutex::<u64>::create_anonymous().unwrap();
    let guard = shm.lock().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || guard.set(1));
    });
}
