//! What the tests with several processes share: the peers' program, the driver that talks to it, and names that are
//! gone when a test ends.

mod driver;
pub mod locks;
mod names;
pub mod peer;
mod types;

pub use driver::{DEADLINE, Peer, variant};
pub use names::{Names, SHM_DIRECTORY};
pub use types::{Gate, Guarded, Huge, Large, Pair, Samples, Stats, Telemetry, TelemetryWide};

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
