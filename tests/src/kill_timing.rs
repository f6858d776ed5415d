//! Random instants to kill at, and how long things took.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use crate::Random;

/// Random delays before a kill. They differ from run to run and are as short as the operation that the kill should hit.
#[derive(Debug)]
pub struct RandomDelays(Random);

impl Default for RandomDelays {
    fn default() -> Self {
        Self::new()
    }
}

impl RandomDelays {
    /// Seeds them at random.
    #[must_use]
    pub fn new() -> Self {
        Self(Random::new(RandomState::new().hash_one(0)))
    }

    /// The next random number.
    pub fn next_number(&mut self) -> u64 {
        self.0.word()
    }

    /// Spins for up to half a millisecond.
    pub fn spin(&mut self) {
        self.spin_up_to(Duration::from_micros(500));
    }

    /// Spins for up to `longest`. A sleep would outlast the operation that the kill should hit.
    pub fn spin_up_to(&mut self, longest: Duration) {
        let longest = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        let span = Duration::from_nanos(self.next_number() % longest.max(1));
        let start = Instant::now();
        while start.elapsed() < span {
            std::hint::spin_loop();
        }
    }
}

/// The longest time until a kill. It doubles while kills come too early: on a busy machine, a victim may not have run yet.
#[derive(Debug)]
pub struct Patience {
    shortest: Duration,
    longest: Duration,
}

impl Patience {
    /// Begins with slightly more than the operation takes that a kill should hit.
    #[must_use]
    pub const fn new(shortest: Duration) -> Self {
        Self {
            shortest,
            longest: shortest,
        }
    }

    /// For how long to spin at most.
    #[must_use]
    pub const fn longest(&self) -> Duration {
        self.longest
    }

    /// Learns whether the last kill came too early.
    pub fn learn(&mut self, too_early: bool) {
        const MOST: Duration = Duration::from_millis(100);
        self.longest = if too_early {
            MOST.min(2 * self.longest)
        } else {
            self.shortest
        };
    }
}

/// Measured times. Displays their number, median, 99th percentile and maximum.
#[derive(Debug)]
pub struct Timings(
    /// Sorted.
    Vec<Duration>,
);

impl Timings {
    /// Sorts them.
    #[must_use]
    pub fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The time that `thousandths` of all do not exceed; `None` if there are none.
    fn within(&self, thousandths: usize) -> Option<Duration> {
        let last = self.0.len().checked_sub(1)?;
        self.0.get(last * thousandths / 1000).copied()
    }
}

impl fmt::Display for Timings {
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
