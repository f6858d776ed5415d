//! Clocks: deadlines, growing pauses, and the time of day.

use std::time::{Duration, Instant, SystemTime};

/// A point in time of `CLOCK_MONOTONIC`, which setting the time of day does not move.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// A span too long for the clock never ends.
    pub(crate) fn after(span: Duration) -> Self {
        Self(Instant::now().checked_add(span))
    }

    pub(crate) fn left(self) -> Duration {
        self.left_at(Instant::now())
    }

    /// What is left when the clock says `now`.
    pub(crate) fn left_at(self, now: Instant) -> Duration {
        self.0
            .map_or(Duration::MAX, |end| end.saturating_duration_since(now))
    }
}

/// Pauses between tries: from 50 µs, each twice the last, up to 1 ms.
///
/// Short, because what is waited for is another process between two system calls; growing, because that process
/// may have been stopped.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    longest: Duration,
    deadline: Deadline,
}

impl Backoff {
    const FIRST: Duration = Duration::from_micros(50);
    const LONGEST: Duration = Duration::from_millis(1);

    pub(crate) fn until(deadline: Deadline) -> Self {
        Self::up_to(Self::LONGEST, deadline)
    }

    /// Pauses that grow to `longest`: for what may be long in coming.
    pub(crate) fn up_to(longest: Duration, deadline: Deadline) -> Self {
        Self {
            next: Self::FIRST,
            longest,
            deadline,
        }
    }

    /// Sleeps once. `false` when the time is up, without sleeping.
    #[must_use]
    pub(crate) fn pause(&mut self) -> bool {
        let left = self.deadline.left();
        if left.is_zero() {
            return false;
        }
        std::thread::sleep(self.next.min(left));
        self.next = (self.next * 2).min(self.longest);
        true
    }
}

/// Time of a clock that only moves with the kernel's tick, every 1 to 10 ms. For who asks very often: reading it takes a
/// few nanoseconds.
#[doc(alias = "CLOCK_MONOTONIC_COARSE")]
fn coarse() -> Duration {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the time is this function's own, and written to. It stays zero should there be no such clock, which Linux has
    // had since 2.6.32.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut now) };
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// What is to be done seldom by who asks very often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Every {
    /// By the coarse clock.
    next: Option<Duration>,
}

impl Every {
    pub(crate) const fn new() -> Self {
        Self { next: None }
    }

    /// Whether it has not been due for so long: at once, and then once in a `span`.
    pub(crate) fn is_due(&mut self, span: Duration) -> bool {
        let now = coarse();
        let due = self.next.is_none_or(|next| now >= next);
        if due {
            self.next = Some(now + span);
        }
        due
    }
}

/// Nanoseconds since 1970, or 0 when the clock stands before that.
#[doc(alias = "CLOCK_REALTIME")]
pub(crate) fn wall_clock_ns() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_with_the_deadline() {
        let deadline = Deadline::after(Duration::from_millis(5));
        let mut backoff = Backoff::until(deadline);
        let mut pauses = 0;
        while backoff.pause() {
            pauses += 1;
            assert!(backoff.next <= Backoff::LONGEST);
        }
        assert!(pauses > 1);
        assert!(deadline.left().is_zero());
        assert!(!Backoff::until(Deadline::after(Duration::ZERO)).pause());
    }

    #[test]
    fn the_coarse_clock_moves() {
        let begin = coarse();
        assert!(!begin.is_zero());
        while coarse() == begin {
            std::hint::spin_loop();
        }
        assert!(coarse() > begin);
    }

    #[test]
    fn a_span_beyond_the_clock_never_ends() {
        assert_eq!(Deadline::after(Duration::MAX).left(), Duration::MAX);
    }
}
