//! A warning in the guide's table.

#![deny(unused_must_use)]

use shm_core::{ShmError, ShmLayout};

fn main() -> Result<(), ShmError> {
    u64::create("/beat")?;
    Ok(())
}
