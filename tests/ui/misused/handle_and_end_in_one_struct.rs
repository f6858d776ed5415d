//! The errors that the guide's section on handles mentions.

use std::error::Error;

use shm_core::sync::{Ring, Sender};
use shm_core::{Shm, ShmLayout};

#[derive(ShmLayout)]
#[repr(C)]
struct Link {
    jobs: Ring<u64, 64>,
}

struct Producer {
    shm: Shm<Link>,
    jobs: Sender<'static, u64, 64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let shm = Link::create_anonymous()?;
    let jobs = shm.jobs.sender()?;
    let mut both = Producer { shm, jobs };
    both.jobs.send(both.shm.jobs.sent())?;
    Ok(())
}
