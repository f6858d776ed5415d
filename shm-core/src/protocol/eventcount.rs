//! The eventcount: sleeping until something that lies elsewhere in shared memory has changed.
//!
//! All types here that make somebody wait do it through one of these, next to the words that they wait for. It costs
//! who changes something one load as long as nobody sleeps.
//!
//! # Synchronization
//!
//! The word is a count of wake-ups in bits 1 to 31, and the bit [`WAITERS`]: somebody may be asleep.
//!
//! | step | by | on the word | ordering |
//! |---|---|---|---|
//! | announce | who is going to sleep | sets `WAITERS` | relaxed, then a full fence |
//! | look again | the same | none: looks at what it waits for | as the type needs |
//! | sleep | the same | `FUTEX_WAIT` while the word is what was announced | |
//! | look for sleepers | who has changed something | load | a full fence, then relaxed |
//! | wake | the same, if `WAITERS` is set | clears it and adds one to the count; `FUTEX_WAKE` all | relaxed |
//!
//! The two fences are one another's partners, as in Dekker's algorithm: either the one who changes sees `WAITERS`, or the one
//! who announced sees the change when it looks again. The count changes with every wake-up, so a sleep that begins too
//! late does not begin.
//!
//! Who is killed between clearing `WAITERS` and waking leaves sleepers asleep, and a peer can write anything into the word.
//! Therefore sleep is cut into slices: nobody sleeps longer than one without looking.

use crate::primitive::Ordering;
use crate::primitive::model::{AtomicU32, fence};
use crate::protocol::wait::WaitStep;

/// Somebody may be asleep on the word.
pub(crate) const WAITERS: u32 = 1;

/// What waiting needs from outside: clock and kernel. The model has its own.
pub(crate) trait WaitEnv {
    /// Whether a full fence follows the announcement. Only a model that is to fail has none.
    const FENCED: bool = true;

    /// Whether the word can be written. Who cannot write it is not woken for sure, and has to sleep in short slices.
    fn announces(&self) -> bool {
        true
    }
    /// How often to look before anything else.
    fn spins(&self) -> u32;
    /// What this round is for. Called once a round.
    fn next_step(&mut self) -> WaitStep;
    /// Sleeps while the word is `seen`, at most until the next slice begins.
    fn sleep(&mut self, word: &AtomicU32, seen: u32);
}

/// What waking needs from outside. The model has its own.
pub(crate) trait WakeAll {
    /// Whether a full fence precedes the look for sleepers. Only a model that is to fail has none.
    const FENCED: bool = true;
    /// What a wake-up adds to the word, which has `WAITERS`. Only a model that is to fail adds something else.
    const INCREMENT: u32 = 1;

    /// Wakes all who sleep on the word.
    fn wake_all(&self, word: &AtomicU32);
}

/// Announces that the caller may sleep on the word, and returns what to sleep on. What is waited for has to be looked at
/// once more before the sleep.
#[inline]
fn announce<W: WaitEnv>(word: &AtomicU32) -> u32 {
    let seen = word.fetch_or(WAITERS, Ordering::Relaxed) | WAITERS;
    if W::FENCED {
        // Partner of the full fence before `notify_fenced`.
        fence(Ordering::SeqCst);
    }
    seen
}

/// Wakes who waits for a change that the caller has made, and ordered by a full fence before this.
#[inline(always)]
pub(crate) fn notify_fenced<W: WakeAll>(word: &AtomicU32, waker: &W) {
    let seen = word.load(Ordering::Relaxed);
    if seen & WAITERS != 0 {
        wake(word, seen, waker);
    }
}

/// Wakes who waits for a change that the caller has made.
#[inline(always)]
pub(crate) fn notify<W: WakeAll>(word: &AtomicU32, waker: &W) {
    if W::FENCED {
        // Partner of the fence in `announce`.
        fence(Ordering::SeqCst);
    }
    notify_fenced(word, waker);
}

#[cold]
fn wake<W: WakeAll>(word: &AtomicU32, seen: u32, waker: &W) {
    // `WAITERS` is the lowest bit, so this clears it and counts. Where the word has changed, another one wakes, or has been
    // killed just before; and who announced itself since then sees the change.
    let _ = word.compare_exchange(
        seen,
        seen.wrapping_add(W::INCREMENT),
        Ordering::Relaxed,
        Ordering::Relaxed,
    );
    waker.wake_all(word);
}

/// Waits until `ready` gives something. Between slices, and before giving up, `probe` may give something instead: it looks at
/// what no wake-up tells, such as a death, and then once more at what `ready` does. `None` when the final probe has
/// come without either.
pub(crate) fn wait<W: WaitEnv, R>(
    word: &AtomicU32,
    env: &mut W,
    mut ready: impl FnMut() -> Option<R>,
    mut probe: impl FnMut() -> Option<R>,
) -> Option<R> {
    // What is about to come is there sooner than a sleep begins.
    for _ in 0..env.spins() {
        if let Some(result) = ready() {
            return Some(result);
        }
        std::hint::spin_loop();
    }
    loop {
        let seen = if env.announces() {
            announce::<W>(word)
        } else {
            word.load(Ordering::Relaxed)
        };
        if let Some(result) = ready() {
            return Some(result);
        }
        match env.next_step() {
            WaitStep::Sleep => env.sleep(word, seen),
            WaitStep::Probe => {
                if let Some(result) = probe() {
                    return Some(result);
                }
            }
            WaitStep::FinalProbe => return probe(),
        }
    }
}
