//! A message that cannot be copied as a whole: `send_with` writes it in place.

use shm_core::ShmVec;
use shm_core::sync::Sender;

fn give(jobs: &mut Sender<'_, ShmVec<u64, 4>, 2>, job: ShmVec<u64, 4>) {
    let _ = jobs.send(job);
}

fn main() {}
