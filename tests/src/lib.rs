//! The harness: what tests of several processes share.
//!
//! A test starts other processes with [`peer!`]. A peer runs the program in [`peer`](mod@peer), which takes one command per line
//! and answers each with one line; [`Peer`] sends commands, waits for answers and kills the process. A peer that is dropped
//! must exit in order, or the test fails. No test sleeps: it waits for a line, for the end of a process, or for a change in
//! shared memory, for at most [`DEADLINE`].
//!
//! | item | use |
//! |---|---|
//! | [`peer!`], [`Peer`] | start, command, stop and kill another process |
//! | [`start`], [`no_child_starts`] | start any other program; keep children from holding this process's locks meanwhile |
//! | [`Names`] | segment names of one test; a name that remains fails the test |
//! | [`Telemetry`], [`Samples`], [`Guarded`], [`Recoverable`], [`RingSegment`], [`WaitSegment`], .. | types of the segments that tests and peers share |
//! | [`versions`] | versions of one struct that has grown, and two branches |
//! | [`Stats`], [`Ledger`], [`Gate`] | segments in which peers count what they saw, and start at the same moment |
//! | [`peek`], [`poke`], [`poke_word`], [`scribble`] | access single bytes of a cell, as a peer that ignores its type |
//! | [`scope`] | start threads that borrow, and join them where ThreadSanitizer sees it |
//! | [`sleeps`] | how often this thread has slept |
//! | [`next_to`] | run calls while another thread overwrites the words that they use |
//! | [`hostile`] | forged segment files, and a type with a cell of every kind |
//! | [`lock_bytes`] | look at the locks of the format, or hold them, without the library |
//! | [`step`] | kill a peer after its k-th instruction or system call, asleep or awake; count its system calls |
//! | [`RandomDelays`], [`Patience`], [`Timings`] | kill a peer at a random instant; summarise how long recovery took |
//! | [`Random`] | random numbers that are the same for a seed |
//! | [`is_root`], [`with_restriction`], [`pid_namespaces`] | skip what the system does not allow |
//! | [`count_from_env`] | environment variables that select the long form of a test |
//! | [`variant`] | the name of an error's variant |

mod bytes;
mod driver;
pub mod hostile;
mod kill_timing;
pub mod lock_bytes;
mod names;
pub mod peer;
mod random;
mod segments;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub mod step;
mod surroundings;
mod threads;

pub use bytes::{next_to, peek, poke, poke_word, scribble};
pub use driver::{DEADLINE, Peer, no_child_starts, start, variant};
pub use kill_timing::{Patience, RandomDelays, Timings};
pub use names::{Names, SHM_DIRECTORY};
pub use random::Random;
pub use segments::versions;
pub use segments::{
    Accounts, Block, BlockedSegment, Gate, Guarded, Huge, Large, Ledger, Log, Message, Pair,
    Places, Recoverable, RingSegment, Samples, SmallValue, Stats, Table, Telemetry, TelemetryWide,
    WaitSegment, is_owed,
};
pub use surroundings::{
    count_from_env, is_root, pid_namespaces, user_and_pid_namespaces, with_restriction,
};
pub use threads::{Threads, scope, sleeps};

/// Starts a peer, the helper program of this package. With a format string, also sends it a first command, which must succeed.
#[macro_export]
macro_rules! peer {
    () => {
        $crate::Peer::start(env!("CARGO_BIN_EXE_peer"))
    };
    ($($command:tt)+) => {{
        let mut peer = $crate::peer!();
        peer.ok(&format!($($command)+));
        peer
    }};
}

/// The programs in the project's README are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct ReadmeDoctests;
