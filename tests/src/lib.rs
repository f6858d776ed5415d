//! What the tests with several processes share: the peers' program, the driver that talks to it, and names that are
//! gone when a test ends.

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

pub use bytes::{peek, poke, poke_word, scribble};
pub use driver::{DEADLINE, Peer, no_child_starts, start, variant};
pub use kill_timing::{Instants, Times, from_env, pid_namespaces, user_and_pid_namespaces};
pub use names::{Names, SHM_DIRECTORY};
pub use random::Random;
pub use segments::{
    Block, Blocked, Few, Gate, Guarded, Huge, Large, Ledger, Note, Pair, Post, Samples, Stats,
    Telemetry, TelemetryWide, Waiting,
};

/// Starts a peer: the helper program of this package, which only a test knows the path of.
#[macro_export]
macro_rules! peer {
    () => {
        $crate::Peer::start(env!("CARGO_BIN_EXE_peer"))
    };
}

/// Whether this process runs as root. If not, says what of the calling test is left out.
pub fn is_root(otherwise: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!("skipped: {otherwise} needs root");
    }
    root
}

/// Gives the peer surroundings that not every system allows, by one command. If this one does not, says so.
pub fn confined(mut peer: Peer, command: &str) -> Option<Peer> {
    let answer = peer.ask(command);
    if answer.starts_with("ok") {
        return Some(peer);
    }
    println!("skipped: `{command}` is not allowed here: {answer}");
    None
}

/// The programs in the project's README are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct ReadmeDoctests;
