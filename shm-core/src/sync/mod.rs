//! Types that bring processes into step, and survive the death of any of them.
//!
//! They are fields of a shared struct, elements of an array, or a segment of their own
//! (`Mutex::<Account>::create("/account")`). A new one is zeroes: free. Nothing in them is a pointer, and nothing needs to
//! be initialised or destroyed.
//!
//! | for | take |
//! |---|---|
//! | the newest value of one writer, whole, for readers that never wait | [`SeqLock`] |
//! | data that several read and change | [`Mutex`] |
//! | every message from one process to one other | [`Ring`] |
//! | messages from one process to many, without ever waiting for them | [`Broadcast`] |
//! | permits that belong to nobody | [`Semaphore`] |
//! | sleeping until data of your own have changed | [`Event`] |
//! | rounds that begin together | [`Barrier`] |
//!
//! `docs/choosing.md` compares them, with what a death means to each and what each costs.
//!
//! # Errors
//!
//! What can become of a [`Ring`]'s messages is exported here, as `std::sync::mpsc` does it. Those of a [`Broadcast`], which
//! may also be lost, are in [`broadcast`], under the same names: `sync::broadcast::RecvTimeoutError` has
//! `Lagged`, `sync::RecvTimeoutError` has not.
//!
//! # When a process dies
//!
//! Each process that attaches for writing to a segment with such a type holds a lock on a byte of the file that only the
//! kernel can release, and does when the process is gone, however it ended. So who waits for a dead process finds out:
//! while it waits, in growing steps of 5 to 50 ms, and also before it gives up. No pid is asked for, so this works across
//! pid and user namespaces.
//!
//! - After `fork` the child is another participant. It registers at its first lock. Guards that it inherited do nothing
//!   when they are dropped: what they stand for is the parent's.
//! - A process that runs another program (`exec`) has died, as far as its locks are concerned.
//! - A process that is only stopped lives, and keeps what it has.
//! - Locking is not for signal handlers.
//!
//! # What attaching takes
//!
//! Besides what every segment takes: `/proc`, or a name that leads to the segment (so that without `/proc` there are no anonymous
//! segments of this kind); the permission to open the file once
//! more for writing, which another user who was handed the descriptor of an anonymous segment has only if its `mode`
//! says so; and 1 GiB of address space for each handle, so that a lock finds its segment in a nanosecond. Handles that
//! may only read take none of it: they cannot lock.

mod barrier;
pub mod broadcast;
mod claim_guard;
mod error;
mod event;
mod layout;
mod mutex;
mod panic_check;
pub mod ring;
mod semaphore;
mod seqlock;
mod sleeper;

pub use barrier::{Barrier, BarrierError, BarrierSeat, BarrierWaitResult};
pub use broadcast::{Broadcast, BroadcastReceiver, BroadcastSender};
pub use error::{ClaimError, LockError, TimedOut};
pub use event::Event;
pub use mutex::{Mutex, MutexGuard};
pub use ring::{
    Receiver, RecvError, RecvTimeoutError, Ring, SendError, SendTimeoutError, Sender, TryRecvError,
    TrySendError,
};
pub use semaphore::{Semaphore, TooManyPermits};
pub use seqlock::{ReadError, SeqLock, SeqLockWriteGuard, WriteError};
