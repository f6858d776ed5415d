//! What suites under fire share: instants to kill at, lengths from the environment, namespaces.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A number from the environment, for the long form of a test.
///
/// # Panics
///
/// If the variable is set to something else.
#[must_use]
pub fn from_env(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect(variable))
}

/// Instants to kill at, not the same in every run.
#[derive(Debug)]
pub struct Instants(u64);

impl Default for Instants {
    fn default() -> Self {
        Self::new()
    }
}

impl Instants {
    /// Others than last time.
    #[must_use]
    pub fn new() -> Self {
        Self(RandomState::new().hash_one(0) | 1)
    }

    /// The next random number.
    pub fn next_number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Burns up to half a millisecond.
    pub fn spin(&mut self) {
        let span = Duration::from_nanos(self.next_number() % 500_000);
        let start = Instant::now();
        while start.elapsed() < span {
            std::hint::spin_loop();
        }
    }
}

/// `unshare` and its arguments, for a process that is number 1 of a pid namespace of its own. `None` where the system
/// does not let us.
#[must_use]
pub fn pid_namespace() -> Option<Vec<&'static str>> {
    for arguments in [vec!["-pf", "--kill-child"], vec!["-Urpf", "--kill-child"]] {
        let possible = Command::new("unshare")
            .args(&arguments)
            .arg("true")
            .stderr(Stdio::null())
            .status();
        if possible.is_ok_and(|status| status.success()) {
            return Some(arguments);
        }
    }
    println!("skipped: pid namespaces are not possible here");
    None
}
