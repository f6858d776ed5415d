//! `lock()?` in a function that returns a boxed error.

use std::error::Error;

use shm_core::sync::Mutex;
use shm_core::{Shm, ShmLayout};

#[derive(ShmLayout)]
#[repr(C)]
struct Accounts {
    balances: Mutex<[i64; 2]>,
}

fn given(shm: &Shm<Accounts>) -> Result<(), Box<dyn Error>> {
    let balances = shm.balances.lock()?;
    balances[0].set(1);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let shm = Accounts::create_anonymous()?;
    given(&shm)?;
    let balances = shm.balances.lock()?;
    balances[0].set(1);
    Ok(())
}
