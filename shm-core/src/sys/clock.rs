//! Clocks: deadlines, backoff, rate limiting, and the time of day.

use std::time::{Duration, Instant, SystemTime};

/// A point in time on `CLOCK_MONOTONIC`, which is unaffected by changes to the time of day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// A point that never comes.
    pub(crate) const NEVER: Self = Self(None);

    /// This point.
    pub(crate) const fn at(point: Instant) -> Self {
        Self(Some(point))
    }

    /// The point `span` from now, or never if that exceeds the range of the clock.
    pub(crate) fn after(span: Duration) -> Self {
        Self(Instant::now().checked_add(span))
    }

    pub(crate) const fn is_never(self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn left(self) -> Duration {
        self.left_at(Instant::now())
    }

    /// The time left at `now`.
    pub(crate) fn left_at(self, now: Instant) -> Duration {
        self.0
            .map_or(Duration::MAX, |end| end.saturating_duration_since(now))
    }
}

/// Exponential backoff between attempts: from 50 µs, doubling up to 1 ms, until a deadline.
///
/// The first pauses are short because the other process is usually between two system calls. They grow because it may
/// have been stopped.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    longest: Duration,
    deadline: Deadline,
    has_retried: bool,
}

impl Backoff {
    const FIRST: Duration = Duration::from_micros(50);
    const LONGEST: Duration = Duration::from_millis(1);

    pub(crate) const fn until(deadline: Deadline) -> Self {
        Self {
            next: Self::FIRST,
            longest: Self::LONGEST,
            deadline,
            has_retried: false,
        }
    }

    /// With pauses of up to `longest`, for events that take less or more time.
    pub(crate) const fn with_pauses_up_to(self, longest: Duration) -> Self {
        Self { longest, ..self }
    }

    /// Begins again with short pauses, until another deadline.
    pub(crate) fn restart(&mut self, deadline: Deadline) {
        self.next = Self::FIRST;
        self.deadline = deadline;
    }

    pub(crate) const fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Returns `true` the first time, even if the deadline has passed: for an attempt that is likely to succeed at once.
    #[must_use]
    pub(crate) fn first_retry(&mut self) -> bool {
        !std::mem::replace(&mut self.has_retried, true)
    }

    /// Whether [`first_retry`](Self::first_retry) was called.
    pub(crate) const fn has_retried(&self) -> bool {
        self.has_retried
    }

    /// Sleeps once. Returns `false` without sleeping if the deadline has passed.
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

/// Reads a clock that takes a few nanoseconds to read and advances only with the kernel's tick, every 1 to 10 ms.
#[doc(alias = "CLOCK_MONOTONIC_COARSE")]
fn coarse() -> Duration {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the argument points to a writable local. If the call failed, it would stay zero, but Linux has had this
    // clock since 2.6.32.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut now) };
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// Milliseconds on the coarse clock, which wrap around after 49 days.
pub(crate) fn coarse_millis() -> u32 {
    let now = coarse();
    (now.as_secs() as u32)
        .wrapping_mul(1000)
        .wrapping_add(now.subsec_millis())
}

/// Rate limiter for a check made in a hot loop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateLimiter {
    /// When the check is due next, on the coarse clock.
    next: Option<Duration>,
}

impl RateLimiter {
    pub(crate) const fn new() -> Self {
        Self { next: None }
    }

    /// Returns `true` at the first call, and then at most once every `interval`.
    pub(crate) fn is_due(&mut self, interval: Duration) -> bool {
        let now = coarse();
        let due = self.next.is_none_or(|next| now >= next);
        if due {
            self.next = Some(now + interval);
        }
        due
    }
}

/// Nanoseconds since the Unix epoch, or 0 if the clock is set before it.
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
    fn backoff_is_bounded_and_ends_at_the_deadline() {
        let mut backoff = Backoff::until(Deadline::NEVER);
        while backoff.next < Backoff::LONGEST {
            let before = backoff.next;
            assert!(backoff.pause());
            assert_eq!(backoff.next, (before * 2).min(Backoff::LONGEST));
        }
        assert!(backoff.pause());
        assert_eq!(backoff.next, Backoff::LONGEST);
        let deadline = Deadline::after(Duration::from_millis(5));
        backoff.restart(deadline);
        assert_eq!(backoff.next, Backoff::FIRST);
        while backoff.pause() {}
        assert!(deadline.left().is_zero());
        assert!(!backoff.pause());
    }

    #[test]
    fn only_the_first_retry_ignores_the_deadline() {
        let mut backoff = Backoff::until(Deadline::after(Duration::ZERO));
        assert!(!backoff.has_retried());
        assert!(backoff.first_retry());
        assert!(backoff.has_retried());
        assert!(!backoff.first_retry());
        assert!(!backoff.pause());
    }

    #[test]
    fn coarse_clock_advances() {
        let begin = coarse();
        assert!(!begin.is_zero());
        while coarse() == begin {
            std::hint::spin_loop();
        }
        assert!(coarse() > begin);
    }

    #[test]
    fn a_deadline_beyond_the_clock_is_never() {
        assert_eq!(Deadline::after(Duration::MAX).left(), Duration::MAX);
    }
}
