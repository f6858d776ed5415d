//! The eventcount: sleeping until something elsewhere in shared memory has changed.
//!
//! All types that wait do so through one of these, next to the words that they wait for. It costs the process that
//! changes something one load as long as nobody sleeps.
//!
//! # Synchronization
//!
//! | bits | |
//! |---|---|
//! | 0 | [`WAITERS`]: a process may be asleep |
//! | 1 | [`FENCE`]: every commit needs a full fence before the check for sleepers |
//! | 2 to 30 | the number of wake-ups, modulo 2^29 |
//! | 31 | [`PATIENT`], for the sender of a ring only: the sleeper checks again within a millisecond by itself, so the wake-up may come later |
//!
//! | step | by | on the word | ordering |
//! |---|---|---|---|
//! | announce | a process that is about to sleep | sets `WAITERS` | relaxed, then a full fence |
//! | interrupt | the same, where commits may come from registered processes, unless the word is still what it announced when it last did this in this wait | none: `membarrier` | a full fence in every thread of a registered process |
//! | or, if the system refuses that | the same | sets `WAITERS` and `FENCE`, in one step | relaxed, then a full fence; the next sleep lasts a millisecond at most |
//! | check again | the same, after each of these | none: loads what it waits for | as the type needs |
//! | sleep | the same | `FUTEX_WAIT` while the word is what was announced | |
//! | look | a process that is about to sleep, and cannot write the word | load, in place of *announce* | relaxed, then a full fence |
//! | check for sleepers | a process that has changed something | load | a full fence, then relaxed; if the process is registered, only in program order |
//! | check once more, if `FENCE` is set | the same | load | a full fence, then relaxed |
//! | wake, if `WAITERS` is set, or unasked | the same | clears `WAITERS` and `PATIENT`, and adds one to the count, by compare-and-swap until it succeeds; `FUTEX_WAKE` all | release |
//!
//! Either the process that changes something sees `WAITERS`, or the one that announced itself sees the change when it checks
//! again. Each wake-up changes the count, so a sleep that begins too late does not begin. The first is shown case by case:
//!
//! | the process that changes something | the sleeper | why |
//! |---|---|---|
//! | has a full fence | any | the two fences pair as in Dekker's algorithm |
//! | is registered | interrupts | at some point while the call lasts, the thread passes a full fence. If it has not loaded the word by then, it finds `WAITERS`, which was set before the call. If it has, its change was made before that fence, and the check that follows the call sees it |
//! | is registered, and its thread does not run | interrupts | the kernel passes a full fence whenever it takes a thread off a processor, or puts it there |
//! | is registered | has interrupted for this same word before, in this wait | nobody has cleared `WAITERS` since then, as that changes the count. So all that load the word after that call find it, and all other changes are visible since then |
//! | is registered | was refused | the load finds `FENCE`, and the fence that follows pairs with the sleeper's. A thread that has loaded the word just before the bit was set may miss it. Its change becomes visible within microseconds, and the sleeper checks after a millisecond |
//! | is registered | is patient, and does not interrupt | the wake-up may be missed. The sleeper checks after a millisecond |
//! | is registered, and the registration is lost, by moving the process to another machine (CRIU) | interrupts | the wake-up may be missed. The sleeper checks at the end of its slice |
//! | any | read-only, woken with others or unasked | the release of the wake-up pairs with the fence of *look*: a sleeper that finds the word changed finds all that was changed before the wake-up. One that found an older word does not begin to sleep, or is woken, since each wake-up changes the word. It needs no fence of the process that changes something, and so does not interrupt |
//! | any, and no wake-up follows | read-only | may miss the change, and therefore polls |
//! | joins or leaves | any | both are rare, and have the full fence |
//!
//! In a semaphore, an event and the rounds of a barrier, waiters wait for a change of the word they sleep on. Changing it needs no
//! fence, so nobody needs to interrupt; nor for the word `left` of a barrier, where all that change something have the fence. They
//! use [`wait`] with [`WaitEnv::interrupts`] `false`.
//!
//! **By architecture.** A registered process orders its commit before its check only for the compiler: a release store and a
//! later load of another word. On x86-64 the store may wait in the processor's buffer while the load is done. On aarch64 nothing
//! orders the two: a store-release is ordered after what precedes it, and before later load-acquires only, and the load is
//! relaxed. On both, the order comes from the interrupt alone. The kernel passes a full fence in its handler (`smp_mb`: a locked
//! instruction, `dmb ish`), between two instructions of the thread, so all before it in program order are visible, and none
//! after it is done. That is all that the argument needs, and it is the same for every architecture with `membarrier`.
//!
//! Under loom, Miri and the sanitizers no process is registered. The models of a registered process poll, at each compiler
//! fence, whether a membarrier interrupts.
//!
//! **Patience.** A sender that keeps finding its ring full sets `PATIENT` when it announces itself, and sleeps for a millisecond
//! at most. A receiver that sees the bit may leave it asleep until many slots are free. A sender that wakes by itself and finds no
//! room takes `PATIENT` back before it goes on to sleep, and interrupts: from then on the first free slot wakes it.
//!
//! A process that cannot write the word is woken with others that announced themselves, or **unasked**, if the process that
//! changes something is willing to do that every time, or now and then.
//!
//! A process that is killed between clearing `WAITERS` and waking leaves sleepers asleep, and a peer can write anything into
//! the word. Therefore sleep is cut into slices: nobody sleeps longer than one without checking.

use crate::primitive::Ordering;
use crate::primitive::model::{AtomicU32, CommitOrder, fence};
use crate::protocol::wait::WaitStep;

/// A process may be asleep on the word.
pub(crate) const WAITERS: u32 = 1;
/// Every commit needs a full fence before the check for sleepers: one of them could not interrupt.
pub(crate) const FENCE: u32 = 2;
/// The sleeper checks again soon by itself. Set only together with `WAITERS`.
pub(crate) const PATIENT: u32 = 1 << 31;
/// One wake-up, in the bits of the word.
const ONE: u32 = 4;

/// The word when nobody sleeps on it.
pub(crate) const fn at_rest(word: u32) -> u32 {
    word & !(WAITERS | FENCE | PATIENT)
}
/// How many times to try to change a word that others change too. Each failure means that another process succeeded in the few
/// instructions since the load, so only peers that write without a pause make a wake-up not count.
const TRIES: u32 = 64;

/// What a wait needs from outside: clock and kernel. Models implement it themselves.
pub(crate) trait WaitEnv {
    /// Whether a full fence follows the announcement, or the load in place of one. Only mutants have none.
    const FENCED: bool = true;

    /// Whether the waiter can write the word. If not, a wake-up is not certain, and it has to sleep in short slices.
    fn announces(&self) -> bool {
        true
    }
    /// The bits by which the waiter announces itself. Only those of a semaphore, and the sender of a ring, use another one besides
    /// `WAITERS`.
    fn announcement(&self) -> u32 {
        WAITERS
    }
    /// The bits of earlier announcements that this one takes back.
    fn retraction(&self) -> u32 {
        0
    }
    /// Whether the processes that change what the waiter waits for may be registered, so that it has to interrupt them.
    fn interrupts(&self) -> bool {
        false
    }
    /// Makes every thread of all registered processes pass a full fence. `false` if the system refuses that.
    fn interrupt(&mut self) -> bool {
        true
    }
    /// Makes the next sleep a short one.
    fn check_soon(&mut self) {}
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
    /// Whether a full fence precedes the second check, after one that found `FENCE`. Only mutants have none.
    const CHECKS_AGAIN: bool = true;
    /// What a wake-up adds to the word. Only mutants add something else.
    const INCREMENT: u32 = ONE;
    /// The ordering of a wake-up. Only mutants change it.
    const WAKE: Ordering = Ordering::Release;
    /// Whether a wake-up that another change of the word was faster than is tried again. Only mutants do not.
    const RETRIES: bool = true;

    /// What orders the caller's commits before its checks for sleepers.
    #[inline(always)]
    fn order(&self) -> CommitOrder {
        CommitOrder::Fenced
    }
    /// Keeps the check for sleepers behind the commit of a registered process, in the order of its instructions. In models a
    /// membarrier can interrupt here.
    #[inline(always)]
    fn order_program(&self) {
        core::sync::atomic::compiler_fence(Ordering::SeqCst);
    }

    /// Whether to wake at this moment although no process has announced itself.
    #[inline(always)]
    fn wakes_unasked(&self, _word: &AtomicU32) -> bool {
        false
    }

    /// Wakes all sleepers on the word.
    fn wake_all(&self, word: &AtomicU32);
}

impl<W: WakeAll> WakeAll for &W {
    const FENCED: bool = W::FENCED;
    const CHECKS_AGAIN: bool = W::CHECKS_AGAIN;
    const INCREMENT: u32 = W::INCREMENT;
    const WAKE: Ordering = W::WAKE;
    const RETRIES: bool = W::RETRIES;

    #[inline(always)]
    fn order(&self) -> CommitOrder {
        (**self).order()
    }

    #[inline(always)]
    fn order_program(&self) {
        (**self).order_program();
    }

    #[inline(always)]
    fn wakes_unasked(&self, word: &AtomicU32) -> bool {
        (**self).wakes_unasked(word)
    }

    fn wake_all(&self, word: &AtomicU32) {
        (**self).wake_all(word);
    }
}

/// Announces that the caller may sleep on the word, and returns the value to sleep on. The caller has to check again
/// before it sleeps.
#[inline]
fn announce<W: WaitEnv>(word: &AtomicU32, env: &W) -> u32 {
    let (bits, unwanted) = (env.announcement(), env.retraction());
    if unwanted != 0 && word.load(Ordering::Relaxed) & unwanted != 0 {
        word.fetch_and(!unwanted, Ordering::Relaxed);
    }
    set::<W>(word, bits)
}

/// Sets bits, and returns the word with them.
#[inline]
fn set<W: WaitEnv>(word: &AtomicU32, bits: u32) -> u32 {
    let seen = word.fetch_or(bits, Ordering::Relaxed) | bits;
    if W::FENCED {
        // Pairs with the full fence of the check for sleepers: of one that is not registered, or after `FENCE`.
        fence(Ordering::SeqCst);
    }
    seen
}

/// Interrupts the registered processes, and returns the value to sleep on. The caller, which has announced itself with the
/// word `seen`, has to check again before it sleeps.
#[cold]
fn interrupt<W: WaitEnv>(word: &AtomicU32, seen: u32, env: &mut W) -> u32 {
    if env.interrupt() {
        return seen;
    }
    // Both, in case that the word has changed meanwhile.
    let seen = set::<W>(word, env.announcement() | FENCE);
    env.check_soon();
    seen
}

/// Returns the value to sleep on for a caller that cannot announce itself. It has to check again before it sleeps.
#[inline]
fn look<W: WaitEnv>(word: &AtomicU32) -> u32 {
    let seen = word.load(Ordering::Relaxed);
    if W::FENCED {
        // Pairs with the release of a wake-up: what was changed before one that `seen` counts is visible to the check.
        fence(Ordering::SeqCst);
    }
    seen
}

/// Wakes all processes that wait for a change which the caller has just published in its [order](WakeAll::order).
#[inline(always)]
pub(crate) fn notify_published<W: WakeAll>(word: &AtomicU32, waker: W) {
    order_check(&waker);
    notify_ordered(word, waker);
}

/// Checks for sleepers after a change which the caller has just published in its [order](WakeAll::order). If there may be some,
/// returns the word, for [`notify_unless`].
///
/// Separate from that, since what it needs should cost nothing as long as nobody sleeps. Only for words on which no process
/// sleeps that has to be woken unasked.
#[inline(always)]
pub(crate) fn check_for_sleepers<W: WakeAll>(word: &AtomicU32, waker: &W) -> Option<u32> {
    order_check(waker);
    let seen = word.load(Ordering::Relaxed);
    (seen & (WAITERS | FENCE) != 0).then_some(seen)
}

/// Keeps a check for sleepers behind the change that was published before it.
#[inline(always)]
fn order_check<W: WakeAll>(waker: &W) {
    if waker.order() == CommitOrder::Registered {
        waker.order_program();
    }
}

#[inline(always)]
fn notify_ordered<W: WakeAll>(word: &AtomicU32, waker: W) {
    let seen = word.load(Ordering::Relaxed);
    if seen & (WAITERS | FENCE) != 0 {
        notify_sleepers(word, seen, waker);
    } else if waker.wakes_unasked(word) {
        wake(word, seen, &waker);
    }
}

/// Wakes all processes that wait for a change which the caller has made.
#[inline(always)]
pub(crate) fn notify<W: WakeAll>(word: &AtomicU32, waker: &W) {
    if W::FENCED {
        // Pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
    }
    notify_ordered(word, waker);
}

/// Wakes all sleepers. The word was `seen`, with `WAITERS` or `FENCE`. The waker comes by value: a reference to it would have to be
/// stored for every check.
#[cold]
#[inline(never)]
fn notify_sleepers<W: WakeAll>(word: &AtomicU32, seen: u32, waker: W) {
    notify_unless(word, seen, &waker, || false);
}

/// Wakes all sleepers, but leaves patient ones asleep if `early`. The word was `seen`, with `WAITERS` or `FENCE`, in a check for
/// sleepers.
#[inline(always)]
pub(crate) fn notify_unless<W: WakeAll>(
    word: &AtomicU32,
    mut seen: u32,
    waker: &W,
    early: impl FnOnce() -> bool,
) {
    if seen & FENCE != 0 {
        if W::CHECKS_AGAIN {
            // Pairs with the fence of the process that has set the bit.
            fence(Ordering::SeqCst);
        }
        seen = word.load(Ordering::Relaxed);
    }
    let asked = seen & WAITERS != 0 && !(seen & PATIENT != 0 && early());
    if asked || waker.wakes_unasked(word) {
        wake(word, seen, waker);
    }
}

#[cold]
#[inline(never)]
fn wake<W: WakeAll>(word: &AtomicU32, mut seen: u32, waker: &W) {
    for _ in 0..TRIES {
        let next = (seen & !WAITERS).wrapping_add(W::INCREMENT) & !PATIENT;
        // If the word has changed meanwhile, it counts all the same: a read-only waiter may have looked at the new word, and at
        // what the caller has changed before that was visible.
        match word.compare_exchange(seen, next, W::WAKE, Ordering::Relaxed) {
            Err(now) if W::RETRIES => seen = now,
            _ => break,
        }
    }
    waker.wake_all(word);
}

/// Waits until `ready` returns something. Between slices, and before giving up, `probe` may return something instead: it
/// checks what no wake-up announces, such as a death, and then once more what `ready` checks. `None` after the final probe.
pub(crate) fn wait<W: WaitEnv, R>(
    word: &AtomicU32,
    env: &mut W,
    mut ready: impl FnMut() -> Option<R>,
    probe: impl FnMut() -> Option<R>,
) -> Option<R> {
    spin(env, &mut ready).or_else(|| wait_spun(word, env, ready, probe))
}

/// The first part of [`wait`]: a change that is about to come usually arrives sooner than a sleep would begin.
pub(crate) fn spin<R>(env: &mut impl WaitEnv, mut ready: impl FnMut() -> Option<R>) -> Option<R> {
    for _ in 0..env.spins() {
        if let Some(result) = ready() {
            env.spun(true);
            return Some(result);
        }
        std::hint::spin_loop();
    }
    env.spun(false);
    None
}

/// The second part of [`wait`].
pub(crate) fn wait_spun<W: WaitEnv, R>(
    word: &AtomicU32,
    env: &mut W,
    mut ready: impl FnMut() -> Option<R>,
    mut probe: impl FnMut() -> Option<R>,
) -> Option<R> {
    // The word for which this wait has interrupted others last.
    let mut interrupted = None;
    loop {
        let mut seen = if env.announces() {
            announce(word, env)
        } else {
            look::<W>(word)
        };
        if let Some(result) = ready() {
            return Some(result);
        }
        match env.next_step() {
            WaitStep::Sleep => {
                // Last of all, as it is a system call.
                if env.announces() && env.interrupts() && interrupted != Some(seen) {
                    seen = interrupt(word, seen, env);
                    interrupted = Some(seen);
                    if let Some(result) = ready() {
                        return Some(result);
                    }
                }
                env.sleep(word, seen);
            }
            WaitStep::Probe => {
                if let Some(result) = probe() {
                    return Some(result);
                }
            }
            WaitStep::FinalProbe => return probe(),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A waiter that sleeps once, and what it is asked to do before.
    #[derive(Default)]
    struct Waiter {
        announces: bool,
        interrupts: bool,
        interrupted: u32,
        checks_soon: u32,
        is_to_sleep: bool,
        slept_on: Option<u32>,
    }

    impl WaitEnv for Waiter {
        fn announces(&self) -> bool {
            self.announces
        }
        fn interrupts(&self) -> bool {
            self.interrupts
        }
        fn interrupt(&mut self) -> bool {
            self.interrupted += 1;
            false
        }
        fn check_soon(&mut self) {
            self.checks_soon += 1;
        }
        fn spins(&self) -> u32 {
            0
        }
        fn next_step(&mut self) -> WaitStep {
            if self.slept_on.is_some() {
                return WaitStep::FinalProbe;
            }
            assert!(!self.is_to_sleep, "it has not slept");
            self.is_to_sleep = true;
            WaitStep::Sleep
        }
        fn sleep(&mut self, _: &AtomicU32, seen: u32) {
            self.slept_on = Some(seen);
        }
    }

    #[test]
    fn a_waiter_that_cannot_interrupt_demands_fences_and_looks_soon() {
        for (announces, interrupts, times, bits) in [
            (true, true, 1, WAITERS | FENCE),
            (true, false, 0, WAITERS),
            (false, true, 0, 0),
            (false, false, 0, 0),
        ] {
            let mut waiter = Waiter {
                announces,
                interrupts,
                ..Waiter::default()
            };
            let word = AtomicU32::new(0);
            assert_eq!(wait(&word, &mut waiter, || None::<()>, || None), None);
            assert_eq!((waiter.interrupted, waiter.checks_soon), (times, times));
            assert_eq!(waiter.slept_on, Some(bits));
            assert_eq!(word.load(Ordering::Relaxed), bits);
        }
    }

    #[test]
    fn a_word_at_rest_has_the_count_only() {
        for (word, rest) in [(0, 0), (4, 4), (7, 4), (u32::MAX, 0x7fff_fffc)] {
            assert_eq!(at_rest(word), rest, "{word:#x}");
        }
    }
}
