//! The barrier. [`protocol`] has its states, orderings and crash story.

mod error;
mod seat;

use std::fmt;
use std::marker::PhantomData;
use std::mem::offset_of;
use std::time::Duration;

use crate::access::{Access, ReadWrite, Writable};
use crate::claim::word::{ClaimFailed, ClaimWord, Timeout};
use crate::layout::{FieldLayout, TypeLayout};
use crate::primitive::AtomicU32;
use crate::protocol::barrier::{self as protocol, BarrierWords, SeatTable};
use crate::shm_layout::ShmLayout;
use crate::sync::layout::sync_layout;
use crate::sync::sleeper::Sleeper;
use crate::sys::clock::Deadline;

pub use error::BarrierError;
pub use seat::{BarrierSeat, BarrierWaitResult};

/// A place where `N` participants meet, round after round: nobody goes on before all have arrived.
///
/// Each takes one of the `N` seats by [`join`](Self::join), does its part of the work, and calls
/// [`wait`](BarrierSeat::wait) on its seat, which returns when all `N` have done so. Unlike `pthread_barrier_t` and
/// [`std::sync::Barrier`] it knows who takes part, so nobody waits for the dead. That is why there is a seat between the
/// barrier and `wait`, and why `wait` can fail.
///
/// ```
/// use shm_core::ShmLayout;
/// use shm_core::sync::Barrier;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("/doc-barrier-{}", std::process::id());
/// # let _first = Barrier::<1>::create(&name)?;
/// // In each process; here for one only.
/// let start = Barrier::<1>::attach(&name)?;
/// let mut seat = start.join()?;
/// seat.wait()?;
/// // All are here.
/// # Ok(()) }
/// ```
///
/// Two that add up halves, round after round, of which one, the leader, puts them together:
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
/// // Threads here; as well processes that have attached.
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
/// A barrier of no seats does not compile:
///
/// ```compile_fail,E0080
/// use shm_core::ShmLayout;
///
/// let _ = shm_core::sync::Barrier::<0>::create_anonymous();
/// ```
///
/// # Who leaves and who is not there yet
///
/// A free seat is waited for, whether somebody has left it in order, by dropping it, or nobody had it yet. In a fork
/// child an inherited seat is not the child's, and dropping it does nothing. A seat that is leaked goes with its handle.
///
/// Through a read-only handle it can be looked at, and not joined.
///
/// # Memory ordering
///
/// What any participant did before it arrived is visible to all that have passed.
///
/// # When a process dies
///
/// - **Before it has arrived**: everybody who waits is told, as [`BarrierError::Died`] with the number of the seat, within
///   50 ms of the death once the kernel has released what the process had. Their arrivals stay. A new process can join,
///   which takes the dead one's seat over, and when it has arrived all pass who wait again. A panic with the seat is told
///   of in the same way.
/// - **After it has arrived**: it counts in this round, which the others pass, and is told of in the next. Who takes its
///   seat over while the round still goes on [has arrived](BarrierSeat::has_arrived).
/// - **As the leader**: the round is passed, and what only a leader does has perhaps not been done. It is told of in the
///   next round, in which it does not arrive.
/// - **Asleep**: as after arriving.
///
/// # What a peer can do
///
/// One that may write the segment can let rounds pass too early or never, with any number of leaders, and make participants that
/// live seem dead, or lose their seats ([`BarrierError::NotOurs`]). [`wait_timeout`](BarrierSeat::wait_timeout) and
/// [`join_timeout`](Self::join_timeout) end all the same.
///
/// # Cost
///
/// Arriving is one store, and a look at each seat. Who does not arrive last sleeps, if the others do not come at once; who
/// does makes one system call to wake those asleep. A barrier has 8 bytes and 8 for each seat, close together, because every round
/// touches all of them anyway.
#[repr(C)]
pub struct Barrier<const N: usize, A: Access = ReadWrite> {
    pub(super) round: AtomicU32,
    /// Where one sleeps who waits for a seat.
    pub(super) left: AtomicU32,
    pub(super) seats: [Seat; N],
    access: PhantomData<A>,
}

/// Who has a seat, and in which round it has arrived.
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
        let claim = &self.seats[seat].claim;
        let owner_is_dead = || {
            let owner = claim.owner_id::<A>();
            owner != 0 && claim.is_dead(owner)
        };
        claim.is_poisoned() || owner_is_dead()
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
            Err(ClaimFailed::Owned) => None,
            Err(ClaimFailed::Unregistered(error)) => Some(Err(BarrierError::Unregistered(error))),
        }
    }
}

impl<const N: usize, A: Access> Barrier<N, A> {
    /// The number of the round that is going on: how many have been passed, modulo 2^31. What was done before the last of
    /// these was passed is visible.
    #[must_use]
    pub fn round(&self) -> u32 {
        protocol::round(self)
    }

    /// How many have arrived in the round that is going on. By the time the caller looks at it, it may be another number.
    #[must_use]
    pub fn arrived(&self) -> usize {
        let round = protocol::round(self);
        let seats = 0..N;
        seats
            .filter(|seat| protocol::has_arrived(self, *seat, round))
            .count()
    }

    /// Takes a seat: a free one, or else one whose owner is dead. It never waits, but may look whether owners live: a few
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

    /// Takes a seat as [`join`](Self::join) does, waiting for at most `timeout` on the monotonic clock while all are taken by
    /// the living: for who replaces a participant that is just being killed, or is about to leave.
    ///
    /// Who leaves wakes it. A death is found within 50 ms once the kernel has released what the process had, and however short
    /// the timeout is, before it ends.
    ///
    /// # Errors
    ///
    /// [`Full`](BarrierError::Full): all seats are still taken; [`Unregistered`](BarrierError::Unregistered).
    pub fn join_timeout(&self, timeout: Duration) -> Result<BarrierSeat<'_, N>, BarrierError>
    where
        A: Writable,
    {
        let barrier = self.writable();
        // Who is dead already is not waited for.
        let taken = protocol::take(barrier).or_else(|| {
            let mut sleeper = Sleeper::until(Deadline::after(timeout));
            protocol::wait_for_seat(barrier, &mut sleeper)
        });
        barrier.seat(taken)
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
