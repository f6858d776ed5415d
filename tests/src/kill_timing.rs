//! What suites under fire share: instants to kill at, lengths from the environment, namespaces.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Peer, Random, start};

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

/// Starts peers, each as process 1 of its own pid namespace, and in its own user namespace too where only that is allowed.
/// `None` where the system allows neither.
#[must_use]
pub fn pid_namespaces(program: &str) -> Option<impl Fn() -> Peer> {
    unshared(program, &["-pf", "-Urpf"])
}

/// Starts peers, each as process 1 of its own pid and user namespaces. `None` where the system does not allow it.
#[must_use]
pub fn user_and_pid_namespaces(program: &str) -> Option<impl Fn() -> Peer> {
    unshared(program, &["-Urpf"])
}

/// Starts peers by `unshare` with the first of these options that is allowed.
fn unshared(program: &str, options: &[&'static str]) -> Option<impl Fn() -> Peer> {
    for option in options {
        let arguments = [*option, "--kill-child"];
        let unshare = move || {
            let mut command = Command::new("unshare");
            command.args(arguments);
            command
        };
        let possible =
            start(unshare().arg("true").stderr(Stdio::null())).and_then(|mut child| child.wait());
        if possible.is_ok_and(|status| status.success()) {
            return Some(move || Peer::spawn(unshare().arg(program)));
        }
    }
    println!("skipped: pid namespaces are not possible here");
    None
}

/// Times that were measured, in words: how many, and what half, most and all of them stayed within.
#[derive(Debug)]
pub struct Times(
    /// Sorted.
    Vec<Duration>,
);

impl Times {
    /// Sorts them.
    #[must_use]
    pub fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// What so many thousandths of them stayed within; `None` where there are none.
    fn within(&self, thousandths: usize) -> Option<Duration> {
        let last = self.0.len().checked_sub(1)?;
        self.0.get(last * thousandths / 1000).copied()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = (self.within(500), self.within(990), self.within(1000));
        let (Some(median), Some(most), Some(longest)) = parts else {
            return f.write_str("none timed");
        };
        write!(
            f,
            "{} timed: {median:?} (median), {most:?} (99 of 100), {longest:?} (longest)",
            self.0.len()
        )
    }
}
