//! A message that cannot be copied as a whole: `recv_with` reads it in place.

use shm_core::ShmVec;
use shm_core::sync::Receiver;

fn take(jobs: &mut Receiver<'_, ShmVec<u64, 4>, 2>) {
    let _ = jobs.recv();
}

fn main() {}
