//! The steps of a `Broadcast` under loom. Bounds: one or two slots of two words; up to four messages by up to two senders, and
//! one receiver; three forced preemptions. Message `n` is `n + 1` in both words, so half a message, an old one and a wrong
//! one are all detected.

mod beginning;
mod mutants;

use std::cell::Cell;
use std::convert::Infallible;
use std::marker::PhantomData;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, AtomicU64};
use loom::thread;

use crate::access::{Access, ReadOnly};
use crate::primitive::Ordering;
use crate::primitive::Ordering::{Acquire, Relaxed, Release};
use crate::primitive::model::CommitOrder;
use crate::protocol::broadcast::{self as protocol, Correct, Counters, Mutations, RecvOutcome};
use crate::protocol::claim_word as word;
use crate::protocol::claim_word::{POISON, WAITERS};
use crate::protocol::eventcount::{WakeAll, notify, notify_published};
use crate::protocol::liveness::{self, PeerState, PeerWatch};
use crate::protocol::loom::eventcount::UntilWoken;
use crate::protocol::loom::{FutexQueue, check};

/// The steps outside of the protocol that mutants take in another way.
trait ModelMutations: Mutations + Send + Sync + 'static {
    /// The kernel's, of a receiver's probe.
    const PROBE: Ordering = Acquire;
    /// The ordering of its load of the claim.
    const OWNER: Ordering = word::LOAD;
    /// The ordering of a sender's claim.
    const CLAIM: Ordering = word::CLAIM;
    /// Whether a new sender wakes receivers that wait for one.
    const NOTIFIES: bool = true;
    /// Whether a full fence precedes the wake-up of a sender that joins, and of one that leaves.
    const JOIN_FENCED: bool = true;
    const LEAVE_FENCED: bool = true;
}

impl<A: Access> ModelMutations for Correct<A> {}

/// A segment with `N` slots, and the kernel's side.
struct Shared<S, const N: usize> {
    claim: AtomicU32,
    joined: AtomicU32,
    arrived: AtomicU32,
    counters: Counters,
    slots: [[AtomicU64; 2]; N],
    /// By id: whether the participant is alive.
    lives: [AtomicU32; 3],
    /// What the first sender does before it sends.
    work: UnsafeCell<u32>,
    queue: FutexQueue,
    mutations: PhantomData<S>,
}

impl<S: ModelMutations, const N: usize> Shared<S, N> {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            claim: AtomicU32::new(0),
            joined: AtomicU32::new(0),
            arrived: AtomicU32::new(0),
            counters: Counters {
                reserved: AtomicU64::new(0),
                tail: AtomicU64::new(0),
            },
            slots: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
            lives: std::array::from_fn(|_| AtomicU32::new(1)),
            work: UnsafeCell::new(0),
            queue: FutexQueue::new(),
            mutations: PhantomData,
        })
    }

    fn join(&self, me: u32) {
        assert!(word::claim_free(&self.claim, me));
        self.arrive();
    }

    /// Joins after a dead sender.
    fn take_over(&self, dead: u32, me: u32) {
        let mine = me | WAITERS | POISON;
        let taken = self
            .claim
            .compare_exchange(dead, mine, word::CLAIM, Relaxed);
        assert_eq!(taken, Ok(dead));
        self.arrive();
    }

    fn arrive(&self) {
        liveness::mark_joined(&self.joined);
        if S::NOTIFIES {
            self.notify(S::JOIN_FENCED);
        }
    }

    fn notify(&self, fenced: bool) {
        if fenced {
            notify(&self.arrived, self);
        } else {
            notify_published(&self.arrived, self);
        }
    }

    fn send(&self, number: u64) {
        let sent = protocol::send::<S, _, Infallible>(
            &self.counters,
            N,
            number,
            CommitOrder::Fenced,
            |slot| {
                for word in &self.slots[slot] {
                    word.store(number + 1, Relaxed);
                }
                Ok(())
            },
        );
        assert_eq!(sent, Ok(()));
        notify_published(&self.arrived, self);
    }

    /// Begins a message and dies.
    fn half_a_message(&self, me: u32, number: u64) {
        S::reserve(&self.counters.reserved, number + 1);
        self.slots[number as usize % N][0].store(9, Relaxed);
        self.lives[me as usize].store(0, Release);
    }

    /// What a sender does before it sends.
    fn work(&self) {
        // SAFETY: the protocol under test is what keeps others from looking meanwhile; loom checks that it does.
        self.work.with_mut(|work| unsafe { *work = 1 });
    }

    /// Checks the work of a sender whose message was seen.
    fn look(&self) {
        // SAFETY: as in `work`.
        self.work.with(|work| assert_eq!(unsafe { *work }, 1));
    }

    fn leave(&self, me: u32) {
        word::release(&self.claim, me, false, self);
        self.notify(S::LEAVE_FENCED);
    }
}

impl<S, const N: usize> WakeAll for Shared<S, N> {
    fn wake_all(&self, _: &AtomicU32) {
        self.queue.wake_all();
    }
}

impl<S, const N: usize> word::WakeOne for Shared<S, N> {
    /// Nobody waits for the claim.
    fn wake(&self, _: &AtomicU32) {}
}

impl<S: ModelMutations, const N: usize> PeerState for Shared<S, N> {
    const WRITABLE: bool = S::WRITABLE;

    fn joined(&self) -> &AtomicU32 {
        &self.joined
    }

    fn owner(&self) -> u32 {
        word::owner(&self.claim, S::OWNER, S::WRITABLE)
    }

    fn is_dead(&self, owner: u32) -> bool {
        self.lives[owner as usize].load(S::PROBE) == 0
    }
}

/// A receiver, which checks all results.
struct Receiver<'a, S, const N: usize> {
    shared: &'a Shared<S, N>,
    /// `None` if it waits for the next sender.
    sender: Option<PeerWatch<'a, Shared<S, N>>>,
    cursor: Cell<u64>,
}

impl<'a, S: ModelMutations, const N: usize> Receiver<'a, S, N> {
    fn new(shared: &'a Shared<S, N>) -> Self {
        Self {
            shared,
            sender: Some(PeerWatch::new(shared)),
            cursor: Cell::new(0),
        }
    }

    fn reconnecting(shared: &'a Shared<S, N>) -> Self {
        Self {
            sender: None,
            ..Self::new(shared)
        }
    }

    fn copy(&self, slot: usize) -> [u64; 2] {
        self.shared.slots[slot]
            .each_ref()
            .map(|word| word.load(Relaxed))
    }

    /// Checks a result against the earlier ones.
    fn check(
        &self,
        before: u64,
        outcome: Option<RecvOutcome<[u64; 2]>>,
    ) -> Option<RecvOutcome<()>> {
        Some(match outcome? {
            RecvOutcome::Message(message) => {
                assert_eq!(message, [before + 1; 2]);
                assert_eq!(self.cursor.get(), before + 1);
                RecvOutcome::Message(())
            }
            RecvOutcome::Lost(count) => {
                assert!(count > 0);
                assert_eq!(self.cursor.get(), before + count);
                RecvOutcome::Lost(count)
            }
            RecvOutcome::Gone => RecvOutcome::Gone,
        })
    }

    fn poll(&self, probing: bool) -> Option<RecvOutcome<()>> {
        let before = self.cursor.get();
        let outcome = protocol::poll::<S, _>(
            &self.shared.counters,
            N,
            &self.cursor,
            self.sender.as_ref(),
            probing,
            |slot| self.copy(slot),
        );
        self.check(before, outcome)
    }

    /// Waits until woken.
    fn wait(&self) -> RecvOutcome<()> {
        let before = self.cursor.get();
        let outcome = protocol::wait::<S, _, _>(
            &self.shared.counters,
            N,
            &self.cursor,
            self.sender.as_ref(),
            (&self.shared.arrived, &mut UntilWoken(&self.shared.queue)),
            |slot| self.copy(slot),
        );
        self.check(before, outcome).unwrap()
    }
}

/// A receiver, and a sender that overtakes it.
fn overtaken<S: ModelMutations, const N: usize>() {
    check(3, || {
        let shared = Shared::<S, N>::new();
        shared.join(1);
        let receiver = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let receiver = Receiver::new(&*shared);
                receiver.poll(false);
                receiver.poll(false);
                // Where it begins that wants all there is.
                let oldest = protocol::oldest::<S>(&shared.counters, N);
                receiver.cursor.set(oldest);
                receiver.poll(false);
            })
        };
        for number in 0..=N as u64 {
            shared.send(number);
        }
        receiver.join().unwrap();
        let receiver = Receiver::new(&*shared);
        assert_eq!(receiver.poll(false), Some(RecvOutcome::Lost(1)));
        for _ in 0..N {
            assert_eq!(receiver.poll(false), Some(RecvOutcome::Message(())));
        }
        assert_eq!(receiver.poll(true), None);
    });
}

/// A sender that sends and leaves, and a receiver that sleeps until woken: it gets everything, then the end.
fn leaving<S: ModelMutations>() {
    check(3, || {
        let shared = Shared::<S, 2>::new();
        let receiver = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let receiver = Receiver::new(&*shared);
                assert_eq!(receiver.wait(), RecvOutcome::Message(()));
                assert_eq!(receiver.wait(), RecvOutcome::Gone);
            })
        };
        shared.join(1);
        shared.send(0);
        shared.leave(1);
        receiver.join().unwrap();
    });
}

/// A sender that sends and leaves, and a receiver that only polls: when it sees the end, it has everything.
fn departure<S: ModelMutations>() {
    check(3, || {
        let shared = Shared::<S, 2>::new();
        shared.join(1);
        let receiver = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let receiver = Receiver::new(&*shared);
                for _ in 0..2 {
                    if receiver.poll(false) == Some(RecvOutcome::Gone) {
                        assert_eq!(receiver.cursor.get(), 1);
                    }
                }
            })
        };
        shared.send(0);
        shared.leave(1);
        receiver.join().unwrap();
    });
}

/// A receiver that sleeps until a message wakes it. Its sender joins before that.
fn waiting<S: ModelMutations>() {
    check(3, || {
        let shared = Shared::<S, 2>::new();
        let receiver = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                Receiver::new(&*shared).wait();
            })
        };
        shared.send(0);
        receiver.join().unwrap();
    });
}

/// A sender sends and leaves or dies, and another one continues after it. A receiver that waits for the next sender, and sleeps
/// until woken, gets both messages and no end.
fn reconnecting<S: ModelMutations>(dies: bool) {
    check(3, move || {
        let shared = Shared::<S, 2>::new();
        let receiver = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let receiver = Receiver::reconnecting(&*shared);
                for _ in 0..2 {
                    assert_eq!(receiver.wait(), RecvOutcome::Message(()));
                }
            })
        };
        shared.join(1);
        shared.send(0);
        if dies {
            shared.half_a_message(1, 1);
            shared.take_over(1, 2);
        } else {
            shared.leave(1);
            shared.join(2);
        }
        shared.send(1);
        receiver.join().unwrap();
    });
}

/// A sender has left or died, and a receiver waits for the next: only its coming gets that on.
fn succession<S: ModelMutations>(dies: bool) {
    check(3, move || {
        let shared = Shared::<S, 1>::new();
        shared.join(1);
        if dies {
            shared.lives[1].store(0, Release);
        } else {
            shared.leave(1);
        }
        let receiver = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let mut env = UntilWoken(&shared.queue);
                let (counters, arrived) = (&shared.counters, &shared.arrived);
                let sender = PeerWatch::new(&*shared);
                assert!(protocol::wait_for_sender::<S, _>(
                    counters, 0, &sender, arrived, &mut env
                ));
                // What the previous owner did is visible.
                assert_eq!(shared.owner(), 2);
            })
        };
        if dies {
            shared.take_over(1, 2);
        } else {
            shared.join(2);
        }
        receiver.join().unwrap();
    });
}

/// A sender dies in the middle of its second message, which goes into the slot of the first or into another. A receiver that
/// probes it gets its messages first.
fn death<S: ModelMutations, const N: usize>() {
    check(3, || {
        let shared = Shared::<S, N>::new();
        shared.join(1);
        let receiver = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let receiver = Receiver::new(&*shared);
                for _ in 0..2 {
                    if receiver.poll(true) == Some(RecvOutcome::Gone) {
                        assert_eq!(receiver.cursor.get(), 1);
                    }
                }
            })
        };
        shared.send(0);
        shared.half_a_message(1, 1);
        receiver.join().unwrap();
        // The next one writes it anew.
        shared.take_over(1, 2);
        let next = protocol::tail::<S>(&shared.counters);
        assert_eq!(next, 1);
        let receiver = Receiver::new(&*shared);
        receiver.cursor.set(next);
        assert_eq!(receiver.poll(true), None);
        shared.send(next);
        assert_eq!(receiver.poll(true), Some(RecvOutcome::Message(())));
    });
}

#[test]
fn an_overtaken_receiver_gets_whole_messages_and_lagged() {
    overtaken::<Correct, 2>();
}

#[test]
fn a_single_slot_is_enough() {
    overtaken::<Correct, 1>();
}

#[test]
fn messages_before_leaving_are_received_first() {
    leaving::<Correct>();
}

#[test]
fn an_overtaken_read_only_receiver_gets_whole_messages() {
    overtaken::<Correct<ReadOnly>, 2>();
}

#[test]
fn messages_before_leaving_are_received_first_read_only() {
    leaving::<Correct<ReadOnly>>();
}

#[test]
fn half_a_message_of_the_dead_is_never_received() {
    death::<Correct, 1>();
}

#[test]
fn messages_before_a_death_are_received_first() {
    death::<Correct, 2>();
}

#[test]
fn polling_receives_everything_before_disconnected() {
    departure::<Correct>();
}

#[test]
fn a_reconnecting_receiver_gets_what_the_next_sender_sends() {
    reconnecting::<Correct>(false);
}

#[test]
fn a_reconnecting_receiver_gets_what_a_successor_sends() {
    reconnecting::<Correct>(true);
}

#[test]
fn a_new_sender_wakes_a_receiver_that_waits_for_one() {
    succession::<Correct>(false);
}

#[test]
fn a_successor_wakes_a_receiver_that_waits_for_it() {
    succession::<Correct>(true);
}
