//! Rounds of a sequence lock.

use shm_core::sync::SeqLock;
use shm_core::{Access, Shm, ShmCell};

use super::{IN_VAIN, nothing, tried};
use crate::driver::DEADLINE;
use crate::peer::{Answer, other};
use crate::segments::SmallValue;

type Lock = SeqLock<SmallValue, 3>;

/// Writes the next number by one of the calls.
pub(in crate::peer) fn write(shm: &Shm<Lock>, way: &str) -> Answer {
    let number = shm.read().map_err(other)?[0];
    tried(|| {
        match way {
            "store" => drop(shm.store([number + 1; 8]).map_err(other)?),
            "update" => drop(
                shm.update(|value| *value = [number + 1; 8])
                    .map_err(other)?,
            ),
            "place" => {
                let write =
                    |slot: &ShmCell<SmallValue>| slot.iter().for_each(|word| word.set(number + 1));
                shm.write_with(write).map_err(other)?;
            }
            "guard" => {
                let mut guard = shm.write().map_err(other)?;
                guard.fill(number + 1);
                guard.publish().map_err(other)?;
                // A value that is half written at the kill stays private.
                guard.fill(number + 2);
                guard.discard();
            }
            // Two numbers; dropping the guard commits.
            "in-time" => {
                let mut guard = shm.try_write().map_err(other)?;
                guard.fill(number + 1);
                drop(guard);
                let mut guard = shm.write_timeout(DEADLINE).map_err(other)?;
                guard.fill(number + 2);
                drop(guard);
            }
            // The last owner has died.
            "take-over" => {
                let mut guard = shm.write().map_err(other)?;
                let next = guard[0] + 1;
                guard.fill(next);
                guard.commit().map_err(other)?;
            }
            // Another process holds the lock, and leaves it or dies.
            "sleep" => {
                let mut guard = shm.write_timeout(DEADLINE).map_err(other)?;
                let next = guard[0] + 1;
                guard.fill(next);
            }
            "sleep-forever" => {
                let mut guard = shm.write().map_err(other)?;
                let next = guard[0] + 1;
                guard.fill(next);
            }
            way => return Err(other(format!("there is no round `{way}`"))),
        }
        nothing()
    })
}

/// Reads by one of the calls, with either kind of handle.
pub(in crate::peer) fn read<A: Access>(shm: &Shm<Lock, A>, way: &str) -> Answer {
    let version = shm.version();
    let mut out = [0; 8];
    tried(|| {
        match way {
            "read" => {
                shm.read_into(&mut out).map_err(other)?;
                shm.read_with(|cell| cell[7].get()).map_err(other)?;
                let _ = shm.wait_newer(version, IN_VAIN);
            }
            "versioned" => {
                let (seen, few) = shm.read_versioned().map_err(other)?;
                let boxed = shm.read_boxed().map_err(other)?;
                let all = [few, shm.read().map_err(other)?, *boxed];
                if all != [[seen; 8]; 3] {
                    return Err(other("torn"));
                }
            }
            // Another process commits.
            "await" => drop(shm.wait_newer(version, DEADLINE).map_err(other)?),
            way => return Err(other(format!("there is no round `{way}`"))),
        }
        nothing()
    })
}
