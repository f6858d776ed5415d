//! Rounds of a mutex.

use std::time::Duration;

use shm_core::Shm;
use shm_core::sync::{LockError, MutexGuard};

use super::{IN_VAIN, ROUND_TIMEOUT, marked, nothing, tried};
use crate::driver::DEADLINE;
use crate::peer::{Answer, other};
use crate::segments::{Guarded, Pair};

/// Changes the locked value, and unlocks it.
fn add(pair: MutexGuard<'_, Pair>) {
    pair.count.set(pair.count.get() + 1);
    pair.twin.set(pair.twin.get() + 1);
}

/// Repairs the value of a dead owner.
fn repaired(mut pair: MutexGuard<'_, Pair>) -> MutexGuard<'_, Pair> {
    pair.twin.set(pair.count.get());
    pair.mark_consistent();
    pair
}

/// Each way to lock and unlock.
pub(in crate::peer) fn round(
    shm: &Shm<Guarded>,
    held: Option<MutexGuard<'static, Pair>>,
    way: &str,
) -> Answer {
    let lock = &shm.lock;
    match way {
        "lock" => tried(|| {
            let locked = lock.lock().map_or_else(LockError::into_guard, Some);
            add(repaired(locked.ok_or_else(|| other("not locked"))?));
            nothing()
        }),
        // Another process holds it, and releases it or dies.
        "sleep" => tried(|| {
            let locked = lock.lock_timeout(DEADLINE);
            let locked = locked.map_or_else(LockError::into_guard, Some);
            add(repaired(locked.ok_or_else(|| other("not locked"))?));
            nothing()
        }),
        // Another process holds it and keeps it.
        "in-vain" | "give-up" => {
            let timeout = if way == "give-up" {
                ROUND_TIMEOUT
            } else {
                IN_VAIN
            };
            let locked = marked(|| lock.lock_timeout(timeout).map(drop))?;
            Ok(locked.is_ok().to_string())
        }
        "busy" => tried(
            || match (lock.try_lock(), lock.lock_timeout(Duration::ZERO)) {
                (Err(LockError::WouldBlock(_)), Err(LockError::TimedOut(_))) => nothing(),
                _ => Err(other("it should be held")),
            },
        ),
        // The last owner has died: this is passed on, then repaired, and then it is an ordinary lock.
        "recover" => tried(|| {
            match lock.try_lock() {
                Err(LockError::OwnerDied(pair)) => drop(pair),
                _ => return Err(other("no death was reported")),
            }
            let recovered = match lock.try_lock() {
                Ok(_) => return Err(other("the death was not reported again")),
                Err(error) => error.recover(|pair| pair.twin.set(pair.count.get())),
            };
            add(recovered.map_err(other)?);
            add(lock.try_lock().map_err(other)?);
            nothing()
        }),
        "unlock" => {
            marked(|| drop(held))?;
            nothing()
        }
        way => Err(other(format!("there is no round `{way}`"))),
    }
}
