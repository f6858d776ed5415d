//! Bounded attempts to change a word that other processes change too.
//!
//! A compare-and-swap fails if another process has changed the word since the load. One that keeps to the protocol has done
//! something useful, so all together make progress, but a single process can lose many times in a row: two loops on two
//! processors fall into step, and always the same one is faster. So after some failures a process [pauses](pause) for irregular,
//! growing times, and loads the word anew. Such attempts are independent of each other: if each of them is lost with a
//! probability of 0.9, a hundred in a row are lost once in 40,000, and a thousand never.
//!
//! A hostile peer can change the word without a pause. So the number of attempts is bounded; all of them with their pauses take
//! some 10 ms.

use crate::primitive::Ordering;
use crate::primitive::model::Word;

/// How many attempts to make. Far more than processes that keep to the protocol ever need.
pub(crate) const MAX_ATTEMPTS: u32 = 1 << 16;

/// How many attempts follow each other at once.
const AT_ONCE: u32 = 4;

/// Pauses before some attempts, and returns the word for the next one. It was `seen` after `failures` failed attempts.
#[cold]
pub(crate) fn pause<W: Word<Value: Into<u64>>>(
    word: &W,
    failures: u32,
    seen: W::Value,
    order: Ordering,
) -> W::Value {
    if !failures.is_multiple_of(AT_ONCE) {
        return seen;
    }
    for _ in 0..pause_length(failures, seen.into()) {
        std::hint::spin_loop();
    }
    word.load_by(order)
}

/// For how many spins to pause. The word is part of the hash, so that two processes that have failed equally often part.
fn pause_length(failures: u32, seen: u64) -> u32 {
    const LONGEST: u32 = 64;
    /// 2^64 divided by the golden ratio: the upper bits of a product depend on all bits.
    const HASH: u64 = 0x9e37_79b9_7f4a_7c15;
    let below = LONGEST.min(1 + failures / AT_ONCE);
    let product = (seen.rotate_left(32) ^ u64::from(failures)).wrapping_mul(HASH);
    let hash = (product ^ (product >> 32)).wrapping_mul(HASH) >> 32;
    ((hash * u64::from(below)) >> 32) as u32
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::primitive::AtomicU32;

    #[test]
    fn pauses_grow_up_to_a_limit_and_vary() {
        let lengths = |failures: std::ops::Range<u32>, seen| {
            failures
                .step_by(AT_ONCE as usize)
                .map(move |failures| pause_length(failures, seen))
        };
        assert!(lengths(4..40, 4).all(|length| length < 10));
        assert!(lengths(4..MAX_ATTEMPTS, 4).all(|length| length < 64));
        let total: u32 = lengths(0..MAX_ATTEMPTS, 4).sum();
        // About half the limit on average.
        let average = total / (MAX_ATTEMPTS / AT_ONCE);
        assert!((28..34).contains(&average), "{average}");
        // Successive pauses differ, and so do those of two processes that have seen different words.
        let of = |seen| lengths(8_000..8_500, seen).collect::<Vec<_>>();
        let repeated = of(4).windows(2).filter(|two| two[0] == two[1]).count();
        assert!(repeated < 20, "{repeated}");
        let same = of(4).iter().zip(of(8)).filter(|(a, b)| **a == *b).count();
        assert!(same < 20, "{same}");
    }

    #[test]
    fn the_attempt_after_a_pause_begins_with_the_present_word() {
        let word = AtomicU32::new(7);
        assert_eq!(pause(&word, AT_ONCE + 1, 3, Ordering::Relaxed), 3);
        assert_eq!(pause(&word, AT_ONCE, 3, Ordering::Relaxed), 7);
    }
}
