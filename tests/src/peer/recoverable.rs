//! Commands that change values which the next owner can repair.

use shm_core::{Shm, ShmLayout};

use super::rounds::recoverable::round;
use super::{Answer, Program, Words, other};
use crate::segments::Recoverable;

/// The segment.
pub(super) type Place = Shm<Recoverable>;

impl Program {
    /// `recoverable attach NAME`, `recoverable round WAY`.
    pub(super) fn obey_recoverable(&mut self, words: &mut Words<'_>) -> Answer {
        match words.next()? {
            "attach" => {
                self.recoverable = Some(Recoverable::attach(words.next()?)?);
                Ok(String::new())
            }
            "round" => {
                let shm = self.recoverable.as_ref();
                round(
                    shm.ok_or_else(|| other("nothing is attached"))?,
                    words.next()?,
                )
            }
            word => Err(other(format!("there is no command `recoverable {word}`"))),
        }
    }
}
