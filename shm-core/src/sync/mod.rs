//! Synchronization between processes that survives the death of any of them.
//!
//! The types are fields of a shared struct, elements of an array, or a segment of their own
//! (`Mutex::<Account>::create("/account")`). A new one consists of zeroes, which is its free state. It contains no pointers,
//! and needs neither initialisation nor destruction.
//!
//! | for | use |
//! |---|---|
//! | the newest whole value of one writer, for readers that never wait | [`SeqLock`] |
//! | data that several processes read and change | [`Mutex`] |
//! | every message from one process to one other | [`Ring`] |
//! | messages from one process to many, without waiting for them | [`Broadcast`] |
//! | counting permits | [`Semaphore`] |
//! | sleeping until your own data have changed | [`Event`] |
//! | rounds that begin together | [`Barrier`] |
//!
//! [`guide::choosing`](crate::guide::choosing) compares them: what a death means to each, and what each costs.
//!
//! # Waiting
//!
//! In every type the names say how long a call may wait: `f` as long as it takes, `f_timeout` at most `timeout`, `f_deadline`
//! until `deadline` at the latest, and `try_f` not at all. The limit is the last argument, but for closures. Claiming an end of
//! a queue ([`sender`](Ring::sender), [`receiver`](Ring::receiver)) or a seat of a barrier ([`join`](Barrier::join)) waits only
//! with `_timeout` or `_deadline`. [`SeqLock::wait_newer`] always takes a limit, because the writer that a reader waits for may be
//! dead.
//!
//! A call that has to wait turns its timeout into a deadline, once, so signals and wake-ups that do not concern it do not prolong
//! the wait. Deadlines are points on `CLOCK_MONOTONIC`, as [`Instant`](std::time::Instant)s are: changes to the time of day do
//! not move them, and the clock stands still while the system is suspended. A deadline that has passed acts as a timeout of zero.
//!
//! # Errors
//!
//! The errors of a [`Ring`]'s ends are exported here, with the names of `std::sync::mpsc`. Those of a [`Broadcast`], which
//! can also lose messages, are in [`broadcast`] under the same names: `sync::broadcast::RecvTimeoutError` has the variant
//! `Lagged`, `sync::RecvTimeoutError` does not.
//!
//! # When a process dies
//!
//! Each process that attaches for writing to a segment with such a type holds a lock on a byte of the file. Only the kernel
//! can release this lock, and does so when the process is gone, however it ended. No decision uses a pid, so this works across
//! pid and user namespaces.
//!
//! Nobody is notified of a death. A waiter asks the kernel whether the process is alive that it waits for, and checks for itself
//! whether what it waits for has happened, since the process that should have woken it may be dead. These **looks** come 5 ms
//! after the wait began, then at intervals that double, up to 50 ms. Once the wait has lasted for more than 0.4 s, the interval
//! is an eighth of that time, up to 1 s. A wait with a timeout ends with a look, however short it is. A process that begins to
//! wait for a lock, a writer's role or an end of a queue also looks at once, and after 0.5 ms if no other wait of the process did
//! so since the last tick of the kernel's clock. So it takes over from an owner that died before in some microseconds, or
//! in about a hundred where thousands of processes are attached. A wait for a message, for room or at a barrier looks before its
//! first sleep too, unless the peer was seen alive since that tick.
//!
//! Probing needs no write permission: read-only handles detect deaths too. [`Owner`] is the answer for a process that only
//! looks, and is in errors such as [`LockError::TimedOut`]. It has the pid, for people, and says whether the process is stopped.
//! [`SegmentInfo::participants`](crate::SegmentInfo::participants) returns the pids of all processes that attached for writing.
//!
//! - After `fork` the child is a separate participant, which registers at its first lock. Guards that it inherited do
//!   nothing when dropped: what they hold belongs to the parent.
//! - A process that runs another program (`exec`) counts as dead.
//! - A process that is only stopped is alive, and keeps what it holds.
//! - Signal handlers must not lock.
//!
//! # Read-only handles
//!
//! They read a [`SeqLock`], receive from a [`Broadcast`] and wait for an [`Event`] as others do, and look at the rest. They cannot
//! announce that they sleep, so they poll: first after 50 µs, then at growing intervals of at most 2 ms, or a 64th of the
//! wait if that is more, up to 50 ms. In a segment that was created with
//! [`wake_readers`](crate::ShmOptions::wake_readers), the process that writes wakes them too.
//!
//! # Memory barriers
//!
//! A process that claims an end of a [`Ring`], the sender of a [`Broadcast`] or the writer's role of a [`SeqLock`] for the first
//! time registers with the kernel (`membarrier`). From then on it sends, receives and commits without a memory fence. In return, a
//! process that is about to sleep makes the kernel interrupt the registered processes that run at that moment, for less than a
//! microsecond each. Registering takes some microseconds in a process with one thread, and 7 to 18 ms in one with several.
//!
//! Set the environment variable `SHM_NO_MEMBARRIER=1` for a process that must not do this: on processors that are isolated for
//! real-time work, which any process of the system could interrupt, or under a filter that kills the process for an unknown system
//! call. Its sends and commits then take a fence, 4 to 20 ns each, and so do those of processes that it waits for. Where the
//! system refuses the call with an error, the same happens without the variable. After one of these the first sleep of a wait may
//! end up to a millisecond late.
//!
//! A process that is moved to another machine (CRIU) loses its registration. It then wakes others late now and then, by a
//! [look](#when-a-process-dies) at most, until it starts anew.
//!
//! # What attaching takes
//!
//! In addition to what every segment takes:
//!
//! - `/proc`, or a name that leads to the segment. Without `/proc` there are no anonymous segments of this kind.
//! - The permission to open the file once more for writing. Another user who received the descriptor of an anonymous segment
//!   has it only if the segment's `mode` says so.
//! - 1 GiB of address space for each handle, so that a lock finds its segment in a nanosecond.
//!
//! Read-only handles take only the last of these: they cannot lock.

mod barrier;
pub mod broadcast;
mod claim_guard;
mod error;
mod event;
mod layout;
mod mutex;
mod not_send;
mod owner;
mod pace;
mod panic_check;
pub mod ring;
mod semaphore;
mod seqlock;
mod sleeper;
mod untyped;

pub use barrier::{Barrier, BarrierError, BarrierSeat, BarrierWaitResult};
pub use broadcast::{Broadcast, BroadcastReceiver, BroadcastSender};
pub use error::{ClaimError, LockError, TimedOut};
pub use event::Event;
pub use mutex::{Mutex, MutexGuard};
pub use owner::Owner;
pub use ring::{
    Receiver, RecvError, RecvTimeoutError, Ring, SendError, SendTimeoutError, Sender, TryRecvError,
    TrySendError,
};
pub use semaphore::{Semaphore, TooManyPermits};
pub(crate) use seqlock::max_attempts as seqlock_attempts;
pub use seqlock::{ReadError, SeqLock, SeqLockWriteGuard, WriteError};
pub(crate) use untyped::{HeldMutex, SeqLockWords};
