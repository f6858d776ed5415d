//! What suites under fire share: instants to kill at, lengths from the environment, namespaces.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Random;

/// How often to do something: the number in an environment variable, which makes the long form of a test, or `otherwise`.
///
/// # Panics
///
/// If the variable holds something else.
#[must_use]
pub fn from_env(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| {
        text.parse()
            .unwrap_or_else(|error| panic!("{variable}={text}: {error}"))
    })
}

/// Instants to kill at: not the same in every run, and as short as what they should hit.
#[derive(Debug)]
pub struct Instants(Random);

impl Default for Instants {
    fn default() -> Self {
        Self::new()
    }
}

impl Instants {
    /// Those of this run.
    #[must_use]
    pub fn new() -> Self {
        Self(Random::new(RandomState::new().hash_one(0)))
    }

    /// The next random number.
    pub fn next_number(&mut self) -> u64 {
        self.0.word()
    }

    /// Burns up to half a millisecond.
    pub fn spin(&mut self) {
        self.spin_up_to(Duration::from_micros(500));
    }

    /// Burns up to so much time. A sleep would last longer than what is to be hit.
    pub fn spin_up_to(&mut self, longest: Duration) {
        let longest = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        let span = Duration::from_nanos(self.next_number() % longest.max(1));
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
