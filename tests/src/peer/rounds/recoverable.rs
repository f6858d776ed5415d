//! Rounds of values that the next owner can repair.

use shm_core::Shm;

use super::{nothing, tried};
use crate::peer::{Answer, other};
use crate::segments::{Accounts, Log, Places, Recoverable, Table};

/// Locks, repairs the value if necessary, and changes it twice.
pub(in crate::peer) fn round(shm: &Shm<Recoverable>, way: &str) -> Answer {
    tried(|| {
        match way {
            "log" => {
                let log = shm.log.lock_recover(|_| ()).map_err(other)?;
                Log::append(&log);
                Log::append(&log);
            }
            "table" => {
                let table = shm.table.lock_recover(|_| ()).map_err(other)?;
                Table::change(&table);
                Table::change(&table);
            }
            "undo" => {
                let accounts = shm.undo.lock_recover(Accounts::apply_record);
                let accounts = accounts.map_err(other)?;
                Accounts::transfer_with_undo(&accounts);
                Accounts::transfer_with_undo(&accounts);
            }
            "redo" => {
                let accounts = shm.redo.lock_recover(Accounts::apply_record);
                let accounts = accounts.map_err(other)?;
                Accounts::transfer_with_redo(&accounts);
                Accounts::transfer_with_redo(&accounts);
            }
            "rebuild" => {
                let places = shm.places.lock_recover(Places::recount).map_err(other)?;
                Places::take(&places);
                Places::take(&places);
            }
            way => return Err(other(format!("there is no round `{way}`"))),
        }
        nothing()
    })
}
