//! The eventcount: sleeping until something elsewhere in shared memory has changed.
//!
//! All types that wait do so through one of these, next to the words that they wait for. It costs the process that
//! changes something one load as long as nobody sleeps.
//!
//! # Synchronization
//!
//! The word is a count of wake-ups in bits 1 to 31, and the bit [`WAITERS`]: a process may be asleep.
//!
//! | step | by | on the word | ordering |
//! |---|---|---|---|
//! | announce | a process that is about to sleep | sets `WAITERS` | relaxed, then a full fence |
//! | check again | the same | none: loads what it waits for | as the type needs |
//! | sleep | the same | `FUTEX_WAIT` while the word is what was announced | |
//! | look | a process that is about to sleep, and cannot write the word | load, in place of *announce* | relaxed, then a full fence |
//! | check for sleepers | a process that has changed something | load | a full fence, then relaxed |
//! | wake | the same, if `WAITERS` is set, or unasked | clears it and adds one to the count; `FUTEX_WAKE` all | relaxed |
//!
//! The two fences pair as in Dekker's algorithm: either the process that changes something sees `WAITERS`, or the one that
//! announced itself sees the change when it checks again. Each wake-up changes the count, so a sleep that begins too late
//! does not begin.
//!
//! A process that cannot write the word is woken with others that announced themselves, or **unasked**, if the process that
//! changes something is willing to do that every time, or now and then. If a change is followed by a wake-up, no sleeper
//! misses it: one that has looked at the word before it was changed does not begin to sleep, or is woken; one that has looked
//! afterwards finds what was changed before, by the two fences. It may miss changes that are not followed by a wake-up, and
//! therefore polls.
//!
//! A process that is killed between clearing `WAITERS` and waking leaves sleepers asleep, and a peer can write anything into
//! the word. Therefore sleep is cut into slices: nobody sleeps longer than one without checking.

use crate::primitive::Ordering;
use crate::primitive::model::{AtomicU32, fence};
use crate::protocol::wait::WaitStep;

/// A process may be asleep on the word.
pub(crate) const WAITERS: u32 = 1;

/// What a wait needs from outside: clock and kernel. Models implement it themselves.
pub(crate) trait WaitEnv {
    /// Whether a full fence follows the announcement, or the load in place of one. Only mutants have none.
    const FENCED: bool = true;

    /// Whether the waiter can write the word. If not, a wake-up is not certain, and it has to sleep in short slices.
    fn announces(&self) -> bool {
        true
    }
    /// The bits by which the waiter announces itself. Only those of a semaphore use another one besides `WAITERS`.
    fn announcement(&self) -> u32 {
        WAITERS
    }
    /// How many times to check before anything else.
    fn spins(&self) -> u32;
    /// Called after the spin: whether it found what the caller waits for.
    fn spun(&mut self, _succeeded: bool) {}
    /// What this round does. Called once per round.
    fn next_step(&mut self) -> WaitStep;
    /// Sleeps while the word is `seen`, at most until the next slice begins.
    fn sleep(&mut self, word: &AtomicU32, seen: u32);
}

/// What waking needs from outside. Models implement it themselves.
pub(crate) trait WakeAll {
    /// Whether a full fence precedes the check for sleepers. Only mutants have none.
    const FENCED: bool = true;
    /// What a wake-up adds to the word with `WAITERS`. Only mutants add something else.
    const INCREMENT: u32 = 1;

    /// Whether to wake at this moment although no process has announced itself.
    #[inline(always)]
    fn wakes_unasked(&self, _word: &AtomicU32) -> bool {
        false
    }

    /// Wakes all sleepers on the word.
    fn wake_all(&self, word: &AtomicU32);
}

/// Announces that the caller may sleep on the word, and returns the value to sleep on. The caller has to check again
/// before it sleeps.
#[inline]
fn announce<W: WaitEnv>(word: &AtomicU32, env: &W) -> u32 {
    let bits = env.announcement();
    let seen = word.fetch_or(bits, Ordering::Relaxed) | bits;
    if W::FENCED {
        // Pairs with the full fence before `notify_fenced`.
        fence(Ordering::SeqCst);
    }
    seen
}

/// Returns the value to sleep on for a caller that cannot announce itself. It has to check again before it sleeps.
#[inline]
fn look<W: WaitEnv>(word: &AtomicU32) -> u32 {
    let seen = word.load(Ordering::Relaxed);
    if W::FENCED {
        // Pairs with the full fence before `notify_fenced`: what was changed before a wake-up that `seen` counts, or before
        // one that found the word older than `seen`, is visible to the check.
        fence(Ordering::SeqCst);
    }
    seen
}

/// Wakes all processes that wait for a change which the caller has made, followed by a full fence.
#[inline(always)]
pub(crate) fn notify_fenced<W: WakeAll>(word: &AtomicU32, waker: &W) {
    let seen = word.load(Ordering::Relaxed);
    if seen & WAITERS != 0 || waker.wakes_unasked(word) {
        wake(word, seen, waker);
    }
}

/// Wakes all processes that wait for a change which the caller has made.
#[inline(always)]
pub(crate) fn notify<W: WakeAll>(word: &AtomicU32, waker: &W) {
    if W::FENCED {
        // Pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
    }
    notify_fenced(word, waker);
}

#[cold]
fn wake<W: WakeAll>(word: &AtomicU32, seen: u32, waker: &W) {
    // `WAITERS` is the lowest bit, so this clears it and counts. If the word has changed meanwhile, another process wakes, or
    // was killed just before that; a waiter that has announced itself or looked since then sees the change.
    let _ = word.compare_exchange(
        seen,
        (seen | WAITERS).wrapping_add(W::INCREMENT),
        Ordering::Relaxed,
        Ordering::Relaxed,
    );
    waker.wake_all(word);
}

/// Waits until `ready` returns something. Between slices, and before giving up, `probe` may return something instead: it
/// checks what no wake-up announces, such as a death, and then once more what `ready` checks. `None` after the final probe.
pub(crate) fn wait<W: WaitEnv, R>(
    word: &AtomicU32,
    env: &mut W,
    mut ready: impl FnMut() -> Option<R>,
    mut probe: impl FnMut() -> Option<R>,
) -> Option<R> {
    // A change that is about to come usually arrives sooner than a sleep would begin.
    for _ in 0..env.spins() {
        if let Some(result) = ready() {
            env.spun(true);
            return Some(result);
        }
        std::hint::spin_loop();
    }
    env.spun(false);
    loop {
        let seen = if env.announces() {
            announce(word, env)
        } else {
            look::<W>(word)
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
