//! The barrier. [`protocol`] describes its states, orderings and crash behaviour.

mod error;
mod seat;

use std::fmt;
use std::marker::PhantomData;
use std::mem::offset_of;
use std::time::{Duration, Instant};

use crate::access::{Access, ReadWrite, Writable};
use crate::claim::word::{ClaimFailed, ClaimWord, Timeout};
use crate::layout::{FieldLayout, TypeLayout};
use crate::primitive::AtomicU32;
use crate::protocol::barrier::{self as protocol, BarrierWords, SeatTable};
use crate::shm_layout::ShmLayout;
use crate::sync::Owner;
use crate::sync::layout::sync_layout;
use crate::sync::sleeper::Sleeper;
use crate::sys::clock::Deadline;

pub use error::BarrierError;
pub use seat::{BarrierSeat, BarrierWaitResult};

/// A barrier for `N` participants, for any number of rounds: no participant passes before all have arrived.
///
/// Each participant takes one of the `N` seats with [`join`](Self::join), does its part of the work, and calls
/// [`wait`](BarrierSeat::wait) on its seat, which returns once all `N` have called it. Unlike `pthread_barrier_t` and
/// [`std::sync::Barrier`], this barrier knows its participants, so that none waits for a dead one. This is why a participant
/// needs a seat, and why `wait` can fail.
///
/// ```
/// use shm_core::ShmLayout;
/// use shm_core::sync::Barrier;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("/doc-barrier-{}", std::process::id());
/// # let _first = Barrier::<1>::create(&name)?;
/// // In each process; here there is only one.
/// let start = Barrier::<1>::attach(&name)?;
/// let mut seat = start.join()?;
/// seat.wait()?;
/// // All have arrived.
/// # Ok(()) }
/// ```
///
/// Two participants add up halves in each round, and one of them, the leader, adds the halves:
///
/// ```
/// use shm_core::ShmLayout;
/// use shm_core::sync::Barrier;
///
/// #[derive(ShmLayout)]
/// #[repr(C)]
/// struct Halves { sums: [u64; 2], total: u64, meet: Barrier<2> }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let shm = Halves::create_anonymous()?;
/// // Threads here; processes that have attached work as well.
/// std::thread::scope(|scope| {
///     for part in 0..2 {
///         let shm = &shm;
///         scope.spawn(move || -> Result<(), shm_core::sync::BarrierError> {
///             let mut seat = shm.meet.join()?;
///             shm.sums[part].set(10 * (part as u64 + 1));
///             if seat.wait()?.is_leader() {
///                 shm.total.set(shm.sums[0].get() + shm.sums[1].get());
///             }
///             seat.wait()?;
///             assert_eq!(shm.total.get(), 30);
///             Ok(())
///         });
///     }
/// });
/// # assert_eq!(shm.total.get(), 30);
/// # Ok(()) }
/// ```
///
/// A barrier without seats does not compile:
///
/// ```compile_fail,E0080
/// use shm_core::ShmLayout;
///
/// let _ = shm_core::sync::Barrier::<0>::create_anonymous();
/// ```
///
/// # Joining and leaving
///
/// A round waits for a free seat, whether its owner has left by dropping it or no participant has taken it yet. In a fork child
/// an inherited seat is the parent's, and dropping it does nothing. A leaked seat becomes free with its handle.
///
/// Through a read-only handle a barrier can be observed ([`arrived`](Self::arrived), [`seat_owner`](Self::seat_owner)), but not
/// joined.
///
/// # Memory ordering
///
/// A participant that passes sees everything that all participants did before they arrived.
///
/// # When a process dies
///
/// - **Before it arrives**: all waiting participants get [`BarrierError::Died`] with the number of the seat, at their
///   [next look](crate::sync#when-a-process-dies) after the kernel has released what the process held. They have still
///   arrived. A new participant can join, which takes the dead one's seat over; once it arrives, all that wait again pass. A
///   panic with the seat has the same effect.
/// - **After it has arrived**: it counts in this round, which the others pass, and is reported in the next. A participant that
///   takes its seat over while the round goes on [has arrived](BarrierSeat::has_arrived) already.
/// - **As the leader**: the round is passed, and the work of the leader may not have been done. The death is reported in the
///   next round, in which it does not arrive.
/// - **Asleep**: the same as after it has arrived.
///
/// # What a peer can do
///
/// A peer that may write to the segment can let rounds pass too early or never, with any number of leaders. It can make living
/// participants seem dead, or take their seats ([`BarrierError::NotOwner`]). [`wait_timeout`](BarrierSeat::wait_timeout) and
/// [`join_timeout`](Self::join_timeout) still end.
///
/// # Cost
///
/// Arriving takes one store, and one load for each seat. A participant that does not arrive last spins for a moment, then sleeps;
/// the last one makes one system call to wake the sleepers. A barrier takes 8 bytes and 8 for each seat. They are adjacent, since
/// each round touches all of them.
#[repr(C)]
pub struct Barrier<const N: usize, A: Access = ReadWrite> {
    pub(super) round: AtomicU32,
    /// The eventcount on which processes wait for a free seat.
    pub(super) left: AtomicU32,
    pub(super) seats: [Seat; N],
    access: PhantomData<A>,
}

/// The owner of a seat, and the round in which it has arrived.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Seat {
    pub(super) claim: ClaimWord,
    arrived: AtomicU32,
}

impl Seat {
    const LAYOUT: &'static TypeLayout = &TypeLayout::structure(
        "Seat",
        0,
        size_of::<Self>(),
        align_of::<Self>(),
        const {
            &[
                FieldLayout::at("claim", offset_of!(Self, claim), AtomicU32::LAYOUT),
                FieldLayout::at("arrived", offset_of!(Self, arrived), AtomicU32::LAYOUT),
            ]
        },
    );
}

sync_layout! {
    impl[const N: usize] Barrier[N], BARRIER.claiming();
    round at round: AtomicU32::LAYOUT;
    left at left: AtomicU32::LAYOUT;
    seats at seats: const { &TypeLayout::array(Seat::LAYOUT, N) };
}

impl<const N: usize, A: Access> BarrierWords for Barrier<N, A> {
    const WRITABLE: bool = A::WRITABLE;

    fn round(&self) -> &AtomicU32 {
        &self.round
    }

    fn seats(&self) -> usize {
        N
    }

    fn arrived(&self, seat: usize) -> &AtomicU32 {
        &self.seats[seat].arrived
    }

    fn is_dead(&self, seat: usize) -> bool {
        self.is_dead_by(ClaimWord::is_dead, seat)
    }

    fn is_known_dead(&self, seat: usize) -> bool {
        self.is_dead_by(ClaimWord::is_known_dead, seat)
    }
}

impl<const N: usize, A: Access> Barrier<N, A> {
    fn is_dead_by(&self, is_dead: fn(&ClaimWord, u32) -> bool, seat: usize) -> bool {
        let claim = &self.seats[seat].claim;
        let owner_is_dead = || {
            let owner = claim.owner_id::<A>();
            owner != 0 && is_dead(claim, owner)
        };
        claim.is_poisoned::<A>() || owner_is_dead()
    }
}

impl<const N: usize> SeatTable for Barrier<N> {
    /// The number of the seat, and the id that it was claimed by.
    type Taken = Result<(usize, u32), BarrierError>;

    fn left(&self) -> &AtomicU32 {
        &self.left
    }

    fn seats(&self) -> usize {
        N
    }

    fn is_free(&self, seat: usize) -> bool {
        self.seats[seat].claim.owner_id::<ReadWrite>() == 0
    }

    fn take(&self, seat: usize) -> Option<Self::Taken> {
        let claim = &self.seats[seat].claim;
        let taken = match claim.claim_free() {
            Some(held) => Ok(held),
            None => claim.claim(Timeout::Now),
        };
        match taken {
            Ok(held) => Some(Ok((seat, held.me))),
            // Seats are not recorded.
            Err(ClaimFailed::Owned(_) | ClaimFailed::WouldDeadlock) => None,
            Err(ClaimFailed::Unregistered(error)) => Some(Err(BarrierError::Unregistered(error))),
        }
    }
}

impl<const N: usize, A: Access> Barrier<N, A> {
    /// The number of the current round: how many rounds have been passed, modulo 2^31. Everything that participants did before
    /// they arrived in these is visible.
    #[must_use]
    pub fn round(&self) -> u32 {
        protocol::round(self)
    }

    /// The number of participants that have arrived in the current round. It may have changed by the time the caller uses it.
    #[must_use]
    pub fn arrived(&self) -> usize {
        let round = protocol::round(self);
        let seats = 0..N;
        seats
            .filter(|seat| protocol::has_arrived(self, *seat, round))
            .count()
    }

    /// The process that holds a seat, dead or alive. `None` if the seat is free. It costs a load if it is, and some system calls
    /// otherwise.
    ///
    /// # Panics
    ///
    /// If `seat` is not less than `N`.
    #[must_use]
    pub fn seat_owner(&self, seat: usize) -> Option<Owner> {
        Owner::of::<A>(&self.seats[seat].claim)
    }

    /// Takes a seat: a free one, or else one whose owner is dead. Never waits, but may probe whether owners are alive: a few
    /// system calls for each seat.
    ///
    /// # Errors
    ///
    /// [`Full`](BarrierError::Full); [`Unregistered`](BarrierError::Unregistered).
    pub fn join(&self) -> Result<BarrierSeat<'_, N>, BarrierError>
    where
        A: Writable,
    {
        let barrier = self.writable();
        barrier.seat(protocol::take(barrier))
    }

    /// Takes a seat as [`join`](Self::join) does, and waits for at most `timeout` on the monotonic clock while living
    /// participants hold all seats. Use it to replace a participant that is being killed, or is about to leave.
    ///
    /// A participant that leaves wakes the waiter. A death is detected at the
    /// [next look](crate::sync#when-a-process-dies) after the kernel has released what the process held, and always before the
    /// timeout.
    ///
    /// # Errors
    ///
    /// [`Full`](BarrierError::Full) if all seats are still held; [`Unregistered`](BarrierError::Unregistered).
    pub fn join_timeout(&self, timeout: Duration) -> Result<BarrierSeat<'_, N>, BarrierError>
    where
        A: Writable,
    {
        self.writable().join_until(|| Deadline::after(timeout))
    }

    /// Takes a seat as [`join_timeout`](Self::join_timeout) does, and waits until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`join_timeout`](Self::join_timeout).
    pub fn join_deadline(&self, deadline: Instant) -> Result<BarrierSeat<'_, N>, BarrierError>
    where
        A: Writable,
    {
        self.writable().join_until(|| Deadline::at(deadline))
    }

    fn writable(&self) -> &Barrier<N>
    where
        A: Writable,
    {
        let barrier = std::ptr::from_ref(self).cast::<Barrier<N>>();
        // SAFETY: `A`, which has no bytes, is `ReadWrite`: nothing else is `Writable`.
        unsafe { &*barrier }
    }
}

impl<const N: usize> Barrier<N> {
    fn join_until(
        &self,
        deadline: impl FnOnce() -> Deadline,
    ) -> Result<BarrierSeat<'_, N>, BarrierError> {
        // If an owner is dead already, there is no wait.
        let taken = protocol::take(self)
            .or_else(|| protocol::wait_for_seat(self, &mut Sleeper::until(deadline())));
        self.seat(taken)
    }

    fn seat(
        &self,
        taken: Option<<Self as SeatTable>::Taken>,
    ) -> Result<BarrierSeat<'_, N>, BarrierError> {
        let (number, me) = taken.ok_or(BarrierError::Full)??;
        Ok(BarrierSeat::new(self, number, me))
    }
}

impl<const N: usize, A: Access> fmt::Debug for Barrier<N, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("round", &self.round())
            .field("arrived", &self.arrived())
            .finish_non_exhaustive()
    }
}
