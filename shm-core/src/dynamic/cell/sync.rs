//! What the types of `sync` say of themselves: owners, counts and versions.

use super::DynCell;
use super::resolve::{Base, Part};
use crate::access::ReadOnly;
use crate::claim::word::ClaimWord;
use crate::dynamic::error::DynError;
use crate::dynamic::segment::Memory;
use crate::layout::{LayoutKind, meaning};
use crate::primitive::{AtomicU32, AtomicU64};
use crate::protocol::{barrier, claim_word, event, semaphore};
use crate::sync::Owner;

/// The seats of a barrier whose owners are looked up. A forged one may have any number.
const MOST_SEATS: usize = 1024;

/// The state of a type of [`sync`](crate::sync), as it was when it was looked at.
///
/// Owners are those of a mapped segment. A dump has none, since no process holds anything in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(
    clippy::enum_variant_names,
    reason = "the compiler prints a name with its path if two public items have it, and those of the types are in its messages"
)]
pub enum SyncState {
    /// A [`Mutex`](crate::sync::Mutex).
    #[non_exhaustive]
    MutexState {
        /// The process that holds the lock, dead or alive.
        owner: Option<Owner>,
        /// Whether the lock is free, and an owner died or panicked whose value has not been marked as consistent since.
        poisoned: bool,
    },
    /// A [`SeqLock`](crate::sync::SeqLock).
    #[non_exhaustive]
    SeqLockState {
        /// The number of commits.
        version: u64,
        /// The process that holds the writer's role, dead or alive.
        writer: Option<Owner>,
    },
    /// A [`Ring`](crate::sync::Ring).
    #[non_exhaustive]
    RingState {
        /// The process that holds the sending end, dead or alive.
        sender: Option<Owner>,
        /// The process that holds the receiving end, dead or alive.
        receiver: Option<Owner>,
        /// The number of messages sent.
        sent: u64,
        /// The number of messages received.
        received: u64,
        /// The number of slots.
        capacity: usize,
    },
    /// A [`Broadcast`](crate::sync::Broadcast).
    #[non_exhaustive]
    BroadcastState {
        /// The process that is the sender, dead or alive.
        sender: Option<Owner>,
        /// The number of messages sent.
        sent: u64,
        /// The number of slots.
        capacity: usize,
    },
    /// A [`Semaphore`](crate::sync::Semaphore).
    #[non_exhaustive]
    SemaphoreState {
        /// The number of permits.
        permits: u32,
    },
    /// An [`Event`](crate::sync::Event).
    #[non_exhaustive]
    EventState {
        /// The number of notifications, modulo 2^31.
        generation: u32,
    },
    /// A [`Barrier`](crate::sync::Barrier).
    #[non_exhaustive]
    BarrierState {
        /// The number of the current round, modulo 2^31.
        round: u32,
        /// The process that has each seat, dead or alive: of the first 1,024 seats.
        seats: Vec<Option<Owner>>,
    },
}

impl DynCell {
    /// Returns the state of a type of [`sync`](crate::sync), or `None` for other parts.
    ///
    /// Looking writes nothing, so it takes no claim and wakes nobody, and works through a read-only handle. It costs a load per word,
    /// and up to three system calls per owner.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::dynamic::{DynSegment, SyncState};
    /// use shm_core::sync::Mutex;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("/doc-sync-state-{}", std::process::id());
    /// let shm = Mutex::<u64>::create(&name)?;
    /// let guard = shm.lock()?;
    /// let segment = DynSegment::attach_read_only(&name)?;
    /// match segment.at(".")?.sync_state()? {
    ///     Some(SyncState::MutexState { owner: Some(owner), .. }) => println!("locked by {owner}"),
    ///     other => panic!("{other:?}"),
    /// }
    /// # drop(guard);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Os`](DynError::Os) for a dump.
    pub fn sync_state(&self) -> Result<Option<SyncState>, DynError> {
        let part = &self.part;
        let (None, Base::Payload, LayoutKind::Meaning { meaning, inner, .. }) =
            (part.len, &part.base, part.layout.kind())
        else {
            return Ok(None);
        };
        let capacity = match inner.fields().last().map(|last| last.layout().kind()) {
            Some(LayoutKind::Array { len, .. }) => len,
            _ => 0,
        };
        Ok(Some(match meaning {
            meaning::MUTEX => {
                let claim = AtomicU32::new(self.word_of(part, "claim")? as u32);
                SyncState::MutexState {
                    owner: self.owner(part, "claim"),
                    poisoned: claim_word::is_poisoned(&claim, claim_word::LOAD, true),
                }
            }
            meaning::SEQLOCK => SyncState::SeqLockState {
                version: self.word_of(part, "version")?,
                writer: self.owner(part, "claim"),
            },
            meaning::RING => {
                let (received, sent) = self.counts(part)?;
                SyncState::RingState {
                    sender: self.owner(part, "sender"),
                    receiver: self.owner(part, "receiver"),
                    sent,
                    received,
                    capacity,
                }
            }
            meaning::BROADCAST => SyncState::BroadcastState {
                sender: self.owner(part, "claim"),
                sent: self.counts(part)?.1,
                capacity,
            },
            meaning::SEMAPHORE => {
                let word = AtomicU32::new(self.word_of(part, "word")? as u32);
                SyncState::SemaphoreState {
                    permits: semaphore::permits(&word),
                }
            }
            meaning::EVENT => {
                let word = AtomicU64::new(self.word_of(part, "word")?);
                SyncState::EventState {
                    generation: event::generation::<event::Correct<ReadOnly>>(&word),
                }
            }
            meaning::BARRIER => {
                let round = self.word_of(part, "round")? as u32;
                let seats = (0..capacity.min(MOST_SEATS)).map(|seat| {
                    let seat = self.field("seats").and_then(|seats| seats.index(seat))?;
                    Ok(self.owner_at(seat.part.offset))
                });
                SyncState::BarrierState {
                    round: barrier::round_of(round),
                    seats: seats.collect::<Result<_, DynError>>()?,
                }
            }
            _ => return Ok(None),
        }))
    }

    /// How many messages a queue has received and sent.
    fn counts(&self, part: &Part) -> Result<(u64, u64), DynError> {
        match part.queue() {
            Some(queue) => self.with_counters((part.offset, part.layout), &queue, |of| of.counts()),
            // Cannot happen: the parts of the type were checked.
            None => Ok((0, 0)),
        }
    }

    /// A word of a type of `sync`, of four or eight bytes.
    fn word_of(&self, part: &Part, name: &str) -> Result<u64, DynError> {
        let LayoutKind::Meaning { inner, .. } = part.layout.kind() else {
            return Ok(0);
        };
        match inner.fields().iter().find(|field| field.name() == name) {
            Some(field) => self.word(part.offset + field.offset(), field.layout()),
            // Cannot happen: the parts of the type were checked.
            None => Ok(0),
        }
    }

    fn owner(&self, part: &Part, claim: &str) -> Option<Owner> {
        let offset = part.layout.word_offset(claim)?;
        self.owner_at(part.offset + offset)
    }

    /// The owner of the claim at an offset in the payload.
    fn owner_at(&self, offset: usize) -> Option<Owner> {
        let Memory::Mapped(segment) = &self.handle.memory else {
            return None;
        };
        let claim = segment.payload().cast::<u8>().wrapping_add(offset);
        // SAFETY: by the checked layout, a claim is at this offset in the payload. It lives as long as the handle, and is only
        // accessed atomically.
        let claim = unsafe { &*claim.cast::<ClaimWord>() };
        // Valid for both kinds of mappings.
        Owner::of::<ReadOnly>(claim)
    }
}
