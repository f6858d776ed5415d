//! How long to spin before a sleep, which adapts to earlier waits.
//!
//! Spinning saves the sleep if the other process answers soon, on a processor of its own. If it needs this processor, or answers
//! late, the time is wasted. So each wait that spun in vain makes the next one shorter, down to nothing, and one that succeeded
//! makes it as long as possible.
//!
//! Two processes that wait for each other in turn, and do not spin, would go on waking each other even when each has a
//! processor. So a wait now and then spins longest all the same. If that succeeds, both stay awake from then on.

use crate::primitive::{AtomicU32, Ordering};

/// The number of waits that have spun in vain since the last one that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace(u32);

impl Pace {
    /// The most looks. They take some microseconds, in which a process that has to be woken answers.
    const MOST: u32 = 512;
    /// So many waits in vain halve the looks each. Later ones do not look.
    const HALVINGS: u32 = 5;
    /// One of so many waits in vain spins longest, and early ones more often.
    const LONG_EVERY: u32 = 256;

    pub(super) const fn new() -> Self {
        Self(0)
    }

    /// How many times to look before the next sleep.
    pub(super) const fn spins(self) -> u32 {
        if self.0 < Self::HALVINGS {
            Self::MOST >> self.0
        } else if self.0.is_power_of_two() || self.0.is_multiple_of(Self::LONG_EVERY) {
            Self::MOST
        } else {
            0
        }
    }

    /// What the next wait does after one that succeeded while it spun, or not.
    #[must_use]
    pub(super) const fn after(self, succeeded: bool) -> Self {
        if succeeded {
            Self::new()
        } else {
            // Never back to zero by wrapping.
            Self(self.0 % (1 << 30) + 1)
        }
    }
}

/// The paces of the words that this process waits on. Words with the same remainder share one, and so do the threads: a mistake
/// costs some microseconds.
static PACES: [AtomicU32; 64] = [const { AtomicU32::new(0) }; 64];

/// The pace of the waits on a word.
#[derive(Clone, Copy, Debug)]
pub(super) struct WordPace(&'static AtomicU32);

impl WordPace {
    pub(super) fn of<W>(word: &W) -> Self {
        let address = std::ptr::from_ref(word).addr() as u64 / 4;
        // Multiplying by the golden ratio spreads neighbours.
        let hash = address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58;
        Self(&PACES[hash as usize])
    }

    pub(super) fn spins(self) -> u32 {
        self.load().spins()
    }

    /// Records how a wait has spun.
    pub(super) fn record(self, succeeded: bool) {
        let before = self.load();
        let after = before.after(succeeded);
        if before != after {
            self.0.store(after.0, Ordering::Relaxed);
        }
    }

    fn load(self) -> Pace {
        Pace(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// How often each of so many waits in vain looks.
    fn in_vain(count: usize) -> Vec<u32> {
        let waits = std::iter::successors(Some(Pace::new()), |pace| Some(pace.after(false)));
        waits.take(count).map(Pace::spins).collect()
    }

    #[test]
    fn spins_in_vain_become_shorter_and_rare() {
        let spins = in_vain(2_000);
        assert_eq!(spins[..9], [512, 256, 128, 64, 32, 0, 0, 0, 512]);
        let total: u32 = spins[1_000..].iter().sum();
        assert!(total <= 4 * 512, "{total}");
    }

    #[test]
    fn long_spins_never_cease() {
        let spins = in_vain(100_000);
        let long: Vec<_> = (0..spins.len())
            .filter(|wait| spins[*wait] == 512)
            .collect();
        assert!(long.windows(2).all(|pair| pair[1] - pair[0] <= 256));
        let old = Pace(u32::MAX).after(false);
        assert!(old.0 > Pace::LONG_EVERY);
    }

    #[test]
    fn one_success_makes_the_next_spin_long() {
        let mut pace = Pace::new();
        for _ in 0..100 {
            pace = pace.after(false);
        }
        assert_eq!((pace.spins(), pace.after(true).spins()), (0, 512));
    }

    #[test]
    fn neighbouring_words_have_paces_of_their_own() {
        let words: [AtomicU32; 4] = Default::default();
        let [first, second, ..] = words.each_ref().map(WordPace::of::<AtomicU32>);
        for _ in 0..3 {
            first.record(false);
        }
        assert_eq!((first.spins(), second.spins()), (64, 512));
        first.record(true);
        assert_eq!(first.spins(), 512);
    }
}
