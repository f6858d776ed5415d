//! Sleeping in slices, so that the waiter can probe the owner between them.

use std::time::{Duration, Instant};

use crate::primitive::AtomicU32;
use crate::protocol::wait::WaitStep;
use crate::sys::clock::Deadline;
use crate::sys::futex;

/// The first slice of a waiter that is woken for everything but a death. It is longer than the kernel's tick, which is usually
/// 4 ms: a sleep that should end before the next tick needs a separate timer. Measured, that cost 5 µs a sleep, as much as
/// going to sleep and being woken.
const FIRST: Duration = Duration::from_millis(5);
/// The longest slice at first. A wait that has lasted for more than eight times as long sleeps for an eighth of that, so that an
/// idle waiter costs little, and its delay stays small compared with its wait.
const LONGEST_AT_FIRST: Duration = Duration::from_millis(50);
/// The longest slice of all.
const LONGEST: Duration = Duration::from_secs(1);
/// The longest sleep of a waiter that might miss a wake-up, or can do with a later one.
pub(crate) const SOON: Duration = Duration::from_millis(1);
/// The time from the first look at the owner of a claim to the second.
const SECOND_LOOK: Duration = Duration::from_micros(500);
/// The slices of a waiter that cannot request a wake-up: the first one, the longest one at first, and the longest of all. In
/// between they are a 64th of the wait: what is rare may come later, and an idle reader costs little.
const POLLING: [Duration; 3] = [
    Duration::from_micros(50),
    Duration::from_millis(2),
    Duration::from_millis(50),
];

/// A wait whose sleep is divided into slices. Each is twice as long as the one before, up to a limit.
#[derive(Debug)]
pub(crate) struct SlicedWait {
    deadline: Deadline,
    slice: Duration,
    times: Times,
    polls: bool,
}

/// The times of a wait. One without a deadline does not read the clock before its first sleep, which is usually its only one.
#[derive(Clone, Copy, Debug)]
enum Times {
    /// It has not slept, and its deadline never comes.
    Unread,
    /// The first sleep is over, by a wake-up or at the end of the slice.
    Slept,
    Read {
        begin: Instant,
        slice_ends: Instant,
    },
}

impl Times {
    fn starting(begin: Instant, slice: Duration) -> Self {
        let slice_ends = begin + slice;
        Self::Read { begin, slice_ends }
    }
}

impl SlicedWait {
    /// For a waiter that is woken for everything but a death: slices of 5 to 50 ms, and of an eighth of the wait, up to 1 s, once
    /// that is more.
    pub(crate) fn until(deadline: Deadline) -> Self {
        Self::new(deadline, FIRST, false)
    }

    /// For a waiter for a claim: a probe before the first sleep, for an owner that died before, another one after 500 µs, for one
    /// that was being killed, unless the caller [skips](Self::skip_second_look) it, and then the slices of [`until`](Self::until).
    pub(crate) fn for_claim(deadline: Deadline) -> Self {
        Self::new(deadline, Duration::ZERO, false)
    }

    /// For a waiter whose pages are read-only, so that it cannot request a wake-up: slices of 50 µs to 2 ms, and of a 64th of
    /// the wait, up to 50 ms, once that is more.
    pub(crate) fn polling(deadline: Deadline) -> Self {
        Self::new(deadline, POLLING[0], true)
    }

    fn new(deadline: Deadline, first: Duration, polls: bool) -> Self {
        // Without a first slice the first step is a probe, which starts the next slice.
        let times = if deadline.is_never() && !first.is_zero() {
            Times::Unread
        } else {
            Times::starting(Instant::now(), first)
        };
        Self {
            deadline,
            slice: first,
            times,
            polls,
        }
    }

    /// The length of the slice that begins at `now`.
    fn next_slice(&self, begin: Instant, now: Instant) -> Duration {
        let doubled = self.slice * 2;
        let waited = now.saturating_duration_since(begin);
        if self.polls {
            return doubled.min((waited / 64).clamp(POLLING[1], POLLING[2]));
        }
        if self.slice.is_zero() {
            return SECOND_LOOK;
        }
        doubled.clamp(FIRST, (waited / 8).clamp(LONGEST_AT_FIRST, LONGEST))
    }

    /// Begins with the slices of [`until`](Self::until) at once, as the timer of the first sleep costs more than a look is worth in
    /// a process that waits often. Called after the first look.
    pub(crate) fn skip_second_look(&mut self) {
        self.slice = FIRST;
        if let Times::Read { slice_ends, .. } = &mut self.times {
            *slice_ends += FIRST - SECOND_LOOK;
        }
    }

    /// Makes the next sleep end within [`SOON`].
    pub(crate) fn shorten(&mut self) {
        self.slice = self.slice.min(SOON);
        if let Times::Read { slice_ends, .. } = &mut self.times {
            *slice_ends = (*slice_ends).min(Instant::now() + SOON);
        }
    }

    /// How often to check the word before the first sleep: not at all with a timeout of zero.
    pub(crate) fn spins(&self) -> u32 {
        match self.times {
            Times::Read { begin, .. } if self.deadline.left_at(begin).is_zero() => 0,
            _ => 100,
        }
    }

    /// What to do next.
    pub(crate) fn next_step(&mut self) -> WaitStep {
        match self.times {
            Times::Unread => WaitStep::Sleep,
            _ => self.step_at(Instant::now()),
        }
    }

    fn step_at(&mut self, now: Instant) -> WaitStep {
        if self.deadline.left_at(now).is_zero() {
            return WaitStep::FinalProbe;
        }
        let begin = match self.times {
            Times::Unread => {
                self.times = Times::starting(now, self.slice);
                return WaitStep::Sleep;
            }
            // How long it was is unknown, so the slice is over.
            Times::Slept => now.checked_sub(self.slice).unwrap_or(now),
            // Slices end by the clock, not by how a sleep ended, or signals could postpone the probe forever.
            Times::Read { slice_ends, .. } if now < slice_ends => return WaitStep::Sleep,
            Times::Read { begin, .. } => begin,
        };
        self.slice = self.next_slice(begin, now);
        let slice_ends = now + self.slice;
        self.times = Times::Read { begin, slice_ends };
        WaitStep::Probe
    }

    /// Sleeps while the word is `seen`, at most until the end of the slice or of the wait.
    pub(crate) fn sleep(&mut self, word: &AtomicU32, seen: u32) {
        let span = match self.times {
            Times::Unread => {
                self.times = Times::Slept;
                self.slice
            }
            _ => self.span_at(Instant::now()),
        };
        if futex::wait(word, seen, span).is_err() {
            // Not known to happen. Sleeping without a wake-up is slow, but better than a busy loop.
            std::thread::sleep(span);
        }
    }

    /// The maximum length of a sleep that starts at `now`.
    fn span_at(&self, now: Instant) -> Duration {
        let slice = match self.times {
            Times::Unread => self.slice,
            Times::Slept => Duration::ZERO,
            Times::Read { slice_ends, .. } => slice_ends.saturating_duration_since(now),
        };
        slice.min(self.deadline.left_at(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Duration = Duration::MAX;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A clock that the test advances.
    struct TestClock {
        begin: Instant,
        passed: Duration,
    }

    impl TestClock {
        /// A clock at the start of the first slice.
        fn of(slices: &SlicedWait) -> Self {
            let begin = match slices.times {
                Times::Read { begin, .. } => begin,
                _ => Instant::now(),
            };
            Self {
                begin,
                passed: Duration::ZERO,
            }
        }

        fn now(&self) -> Instant {
            self.begin + self.passed
        }
    }

    /// Simulates a wait without wake-ups, in which a signal interrupts each sleep after at most `longest`. Returns the times
    /// at which probes were due, until the final probe or `end`.
    fn probes(slices: &mut SlicedWait, longest: Duration, end: Duration) -> Vec<Duration> {
        let mut clock = TestClock::of(slices);
        let mut due = Vec::new();
        while clock.passed < end {
            match slices.step_at(clock.now()) {
                WaitStep::Sleep => {
                    let span = slices.span_at(clock.now());
                    assert!(!span.is_zero(), "a sleep of zero length is a busy loop");
                    clock.passed += span.min(longest);
                }
                WaitStep::Probe => due.push(clock.passed),
                WaitStep::FinalProbe => break,
            }
        }
        due
    }

    #[test]
    fn slices_grow_from_5_to_50_ms() {
        let mut slices = SlicedWait::until(Deadline::after(NEVER));
        let due = probes(&mut slices, NEVER, millis(236));
        assert_eq!(due, [5, 15, 35, 75, 125, 175, 225].map(millis));
    }

    /// Also that an idle waiter wakes 35 times in the first 8 s, and then once a second.
    #[test]
    fn slices_grow_with_the_wait_up_to_a_second() {
        let mut slices = SlicedWait::until(Deadline::after(NEVER));
        let due = probes(&mut slices, NEVER, millis(20_000));
        for (earlier, later) in due.iter().zip(&due[1..]).skip(3) {
            let expected = (*earlier / 8).clamp(millis(50), millis(1000));
            assert_eq!(*later - *earlier, expected, "after {earlier:?}");
        }
        let late = due.iter().filter(|at| **at > millis(8_000)).count();
        assert_eq!((due.len() - late, late), (35, 12));
    }

    #[test]
    fn a_claim_looks_at_once_and_after_500_us() {
        let mut slices = SlicedWait::for_claim(Deadline::after(NEVER));
        let due = probes(&mut slices, NEVER, millis(130));
        let expected = [0, 500, 5_500, 15_500, 35_500, 75_500, 125_500];
        assert_eq!(due, expected.map(Duration::from_micros));

        let mut slices = SlicedWait::for_claim(Deadline::after(NEVER));
        let clock = TestClock::of(&slices);
        assert_eq!(slices.step_at(clock.now()), WaitStep::Probe);
        slices.skip_second_look();
        let due = probes(&mut slices, NEVER, millis(80));
        assert_eq!(due, [5, 15, 35, 75].map(millis));
    }

    #[test]
    fn polling_slices_grow_from_50_us_to_2_ms_and_then_slowly() {
        let mut slices = SlicedWait::polling(Deadline::after(NEVER));
        let due = probes(&mut slices, NEVER, millis(10));
        let expected = [50, 150, 350, 750, 1550, 3150, 5150, 7150, 9150];
        assert_eq!(due, expected.map(Duration::from_micros));
        // Until a 64th of the wait is more than that.
        let mut slices = SlicedWait::polling(Deadline::after(NEVER));
        let due = probes(&mut slices, NEVER, millis(10_000));
        for (before, after) in due.iter().zip(&due[1..]).skip(4) {
            let allowed = (*before / 64).clamp(millis(2), millis(50));
            assert!(*after - *before <= allowed, "{before:?} {after:?}");
        }
        let last = due[due.len() - 1] - due[due.len() - 2];
        assert_eq!(last, millis(50));
        // 500 a second at first, 20 at last.
        let within = |from, to| due.iter().filter(|due| (from..to).contains(*due)).count();
        assert!(within(millis(0), millis(100)) > 45);
        assert_eq!(within(millis(9_000), millis(10_000)), 20);
    }

    /// Each sleep is interrupted before the end of its slice, so only the clock ends slices.
    #[test]
    fn slices_end_by_the_clock_however_sleeps_end() {
        let mut slices = SlicedWait::until(Deadline::after(NEVER));
        let signals = Duration::from_micros(100);
        assert_eq!(
            probes(&mut slices, signals, millis(80)),
            [5, 15, 35, 75].map(millis)
        );
    }

    #[test]
    fn a_late_probe_starts_a_full_slice() {
        let mut slices = SlicedWait::until(Deadline::after(NEVER));
        let mut clock = TestClock::of(&slices);
        assert_eq!(slices.step_at(clock.now()), WaitStep::Sleep);
        // The process was stopped for longer than many slices.
        clock.passed = millis(1000);
        assert_eq!(slices.span_at(clock.now()), Duration::ZERO);
        assert_eq!(slices.step_at(clock.now()), WaitStep::Probe);
        assert_eq!(slices.step_at(clock.now()), WaitStep::Sleep);
        assert_eq!(slices.span_at(clock.now()), millis(10));
    }

    /// However the first sleep ended, a probe follows it, and so signals cannot postpone that.
    #[test]
    fn a_wait_without_deadline_reads_the_clock_after_a_sleep() {
        let word = AtomicU32::new(0);
        let mut slices = SlicedWait::until(Deadline::NEVER);
        assert_eq!(slices.next_step(), WaitStep::Sleep);
        assert!(matches!(slices.times, Times::Unread));
        // Another value than that of the word: it returns at once.
        slices.sleep(&word, 1);
        assert_eq!(slices.next_step(), WaitStep::Probe);
        let clock = TestClock::of(&slices);
        assert_eq!(slices.step_at(clock.now() + FIRST), WaitStep::Sleep);
        assert_eq!(slices.span_at(clock.now() + FIRST), millis(10));
        assert_eq!(slices.step_at(clock.now() + millis(15)), WaitStep::Probe);

        let mut timed = SlicedWait::until(Deadline::after(millis(3_600_000)));
        assert_eq!(timed.next_step(), WaitStep::Sleep);
        assert!(matches!(timed.times, Times::Read { .. }));
    }

    #[test]
    fn the_deadline_shortens_a_slice_and_ends_the_wait() {
        let timeout = Duration::from_secs(3600);
        let mut slices = SlicedWait::until(Deadline::after(timeout));
        let mut clock = TestClock::of(&slices);
        // The deadline was taken from the clock a moment earlier.
        let ends = slices.deadline.left_at(clock.now());
        assert!(ends <= timeout);
        clock.passed = ends - millis(3);
        assert_eq!(slices.step_at(clock.now()), WaitStep::Probe);
        assert_eq!(slices.step_at(clock.now()), WaitStep::Sleep);
        assert_eq!(slices.span_at(clock.now()), millis(3));
        clock.passed = ends - Duration::from_nanos(1);
        assert_eq!(slices.step_at(clock.now()), WaitStep::Sleep);
        assert_eq!(slices.span_at(clock.now()), Duration::from_nanos(1));
        for late in [0, 1, 1_000_000] {
            clock.passed = ends + Duration::from_nanos(late);
            assert_eq!(slices.step_at(clock.now()), WaitStep::FinalProbe);
            assert_eq!(slices.span_at(clock.now()), Duration::ZERO);
        }
    }

    #[test]
    fn a_shortened_wait_ends_its_next_sleep_soon() {
        let mut unread = SlicedWait::until(Deadline::NEVER);
        unread.shorten();
        assert_eq!(unread.span_at(Instant::now()), SOON);

        let mut timed = SlicedWait::until(Deadline::after(millis(3_600_000)));
        let begin = TestClock::of(&timed).now();
        timed.shorten();
        let now = Instant::now();
        assert!(timed.span_at(begin) >= SOON && timed.span_at(now) <= SOON);
        // The slices that follow are the usual ones.
        assert_eq!(timed.step_at(now + SOON), WaitStep::Probe);
        assert_eq!(timed.span_at(now + SOON), FIRST);
        // A slice that ends earlier does so as before.
        let mut claim = SlicedWait::for_claim(Deadline::after(millis(3_600_000)));
        let begin = TestClock::of(&claim).now();
        assert_eq!(claim.step_at(begin), WaitStep::Probe);
        claim.shorten();
        assert_eq!(claim.span_at(begin), SECOND_LOOK);
    }

    #[test]
    fn a_timeout_of_zero_neither_spins_nor_sleeps() {
        let mut slices = SlicedWait::until(Deadline::after(Duration::ZERO));
        assert_eq!(slices.spins(), 0);
        assert_eq!(slices.next_step(), WaitStep::FinalProbe);
        let mut claim = SlicedWait::for_claim(Deadline::after(Duration::ZERO));
        assert_eq!(claim.next_step(), WaitStep::FinalProbe);
        for timeout in [NEVER, millis(3_600_000)] {
            assert!(SlicedWait::until(Deadline::after(timeout)).spins() > 0);
        }
    }
}
