//! Several slots at once, which are written or read in place and committed in part.

use std::fmt;
use std::time::{Duration, Instant};

use super::end::{HeldEnd, at, until};
use super::error::{recv, recv_timeout, send_timeout, try_recv, try_send};
use super::{
    Receiver, RecvError, RecvTimeoutError, SendError, SendTimeoutError, Sender, TryRecvError,
    TrySendError,
};
use crate::access::{Access, ReadOnly, ReadWrite};
use crate::cell::{ShmCell, ShmSlice};
use crate::claim::word::Timeout;
use crate::protocol::ring::{Idle, Receiving, Sending, Side};
use crate::shm_layout::ShmLayout;

/// The next slots of an end: up to the last slot, and from the first one on.
struct Chunk<'s, 'a, R: Side, T, A: Access, const N: usize> {
    end: &'s mut HeldEnd<'a, R, N>,
    slices: [&'s ShmSlice<T, A>; 2],
}

impl<'s, 'a, R: Side, T, A: Access, const N: usize> Chunk<'s, 'a, R, T, A, N> {
    /// At most `max` slots, at least one unless `max` is 0.
    fn new(
        end: &'s mut HeldEnd<'a, R, N>,
        slots: &'s ShmSlice<T, A>,
        max: usize,
        timeout: impl FnOnce() -> Timeout,
    ) -> Result<Self, Idle> {
        let len = match max {
            0 => 0,
            max => end.wait_for_slots(max, timeout)?.min(max),
        };
        let start = end.next_slot();
        let first = len.min(N - start);
        let slices = [&slots[start..start + first], &slots[..len - first]];
        Ok(Self { end, slices })
    }

    fn len(&self) -> usize {
        self.slices.iter().map(|slice| slice.len()).sum()
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = &ShmCell<T, A>> + use<'_, R, T, A, N> {
        let [first, second] = self.slices;
        first.iter().chain(second)
    }

    /// `None` in a fork child of the process that claimed the end.
    #[track_caller]
    fn commit(self, count: usize) -> Option<()> {
        let len = self.len();
        assert!(
            count <= len,
            "cannot commit {count} slots of a chunk of {len}"
        );
        self.end.commit_in_place(count)
    }
}

/// Several free slots, from [`Sender::write_chunk`] and its variants. Dropping it sends nothing.
///
/// It borrows the sender. The slots hold earlier messages, or zeros, until they are written. In a fork child they are the
/// parent's, and the child must not write to them. After the commit they belong to the receiver, and the references to them
/// have ended:
///
/// ```compile_fail,E0505
/// use shm_core::ShmLayout;
/// use shm_core::sync::Ring;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let shm = Ring::<u32, 8>::create_anonymous()?;
/// let mut sender = shm.sender()?;
/// let chunk = sender.write_chunk(1)?;
/// let (slots, _) = chunk.as_slices();
/// chunk.commit(1)?;
/// slots[0].set(7);
/// # Ok(()) }
/// ```
#[must_use = "a chunk sends nothing unless it is committed"]
pub struct WriteChunk<'s, 'a, T: ShmLayout, const N: usize>(
    Chunk<'s, 'a, Sending, T, ReadWrite, N>,
);

impl<T: ShmLayout, const N: usize> WriteChunk<'_, '_, T, N> {
    /// The number of slots.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no slots, which takes a request for 0.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The slots in order, as two slices: the ring ends behind the first, and begins with the second. The second may be empty.
    #[doc(alias = "as_mut_slices")]
    #[must_use]
    pub fn as_slices(&self) -> (&ShmSlice<T>, &ShmSlice<T>) {
        self.0.slices.into()
    }

    /// An iterator over all slots in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &ShmCell<T>> + use<'_, T, N> {
        self.0.iter()
    }

    /// Sends the first `count` slots as messages, which become visible together. The others stay free.
    ///
    /// # Errors
    ///
    /// [`SendError`] in a fork child of the process that claimed the sender; nowhere else. Nothing is sent.
    ///
    /// # Panics
    ///
    /// If `count` exceeds [`len`](Self::len).
    #[track_caller]
    pub fn commit(self, count: usize) -> Result<(), SendError<()>> {
        self.0.commit(count).ok_or(SendError(()))
    }

    /// Sends all slots as [`commit`](Self::commit) does.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    pub fn commit_all(self) -> Result<(), SendError<()>> {
        let len = self.len();
        self.commit(len)
    }
}

/// Several messages in their slots, from [`Receiver::read_chunk`] and its variants. Dropping it leaves all of them in the ring.
///
/// It borrows the receiver.
#[must_use = "a chunk receives nothing unless it is committed"]
pub struct ReadChunk<'s, 'a, T: ShmLayout, const N: usize>(
    Chunk<'s, 'a, Receiving, T, ReadOnly, N>,
);

impl<T: ShmLayout, const N: usize> ReadChunk<'_, '_, T, N> {
    /// The number of messages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no messages, which takes a request for 0.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The messages in order, as two slices: the ring ends behind the first, and begins with the second. The second may be
    /// empty.
    #[must_use]
    pub fn as_slices(&self) -> (&ShmSlice<T, ReadOnly>, &ShmSlice<T, ReadOnly>) {
        self.0.slices.into()
    }

    /// An iterator over all messages in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &ShmCell<T, ReadOnly>> + use<'_, T, N> {
        self.0.iter()
    }

    /// Counts the first `count` messages as received, and frees their slots together. The others stay in the ring.
    ///
    /// # Errors
    ///
    /// [`RecvError`] in a fork child of the process that claimed the receiver; nowhere else. Nothing is received.
    ///
    /// # Panics
    ///
    /// If `count` exceeds [`len`](Self::len).
    #[track_caller]
    pub fn commit(self, count: usize) -> Result<(), RecvError> {
        self.0.commit(count).ok_or(RecvError)
    }

    /// Counts all messages as received, as [`commit`](Self::commit) does.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    pub fn commit_all(self) -> Result<(), RecvError> {
        let len = self.len();
        self.commit(len)
    }
}

/// Several messages that are written in their slots.
impl<'a, T: ShmLayout, const N: usize> Sender<'a, T, N> {
    /// Returns as many free slots as there are, at least one and at most `max`, and waits while the ring is full. They are
    /// written in place, and sent by [`WriteChunk::commit`], all or the first of them.
    ///
    /// A sender that is killed before it commits, or drops the chunk, has sent nothing of it.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::sync::Ring;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let shm = Ring::<u32, 8>::create_anonymous()?;
    /// let (mut sender, mut receiver) = (shm.sender()?, shm.receiver()?);
    /// let chunk = sender.write_chunk(5)?;
    /// let mut written = 0;
    /// for (slot, value) in chunk.iter().zip([10, 20, 30]) {
    ///     slot.set(value);
    ///     written += 1;
    /// }
    /// chunk.commit(written)?; // 3 of 5 slots
    ///
    /// let chunk = receiver.read_chunk(8)?;
    /// assert_eq!(chunk.iter().map(|slot| slot.get()).collect::<Vec<_>>(), [10, 20, 30]);
    /// chunk.commit(2)?;
    /// assert_eq!(receiver.recv()?, 30); // it stayed in the ring
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SendError`] if the ring is full and the receiver has left or died.
    pub fn write_chunk(&mut self, max: usize) -> Result<WriteChunk<'_, 'a, T, N>, SendError<()>> {
        let chunk = self.chunk(max, || Timeout::Never);
        chunk.map_err(|_| SendError(()))
    }

    /// Returns free slots as [`write_chunk`](Self::write_chunk) does, if the ring has room. Never waits, as
    /// [`try_send`](Self::try_send).
    ///
    /// # Errors
    ///
    /// [`Full`](TrySendError::Full) or [`Disconnected`](TrySendError::Disconnected).
    pub fn try_write_chunk(
        &mut self,
        max: usize,
    ) -> Result<WriteChunk<'_, 'a, T, N>, TrySendError<()>> {
        let chunk = self.chunk(max, || Timeout::Now);
        chunk.map_err(|idle| try_send(idle, ()))
    }

    /// Returns free slots as [`write_chunk`](Self::write_chunk) does, and waits for at most `timeout` as
    /// [`send_timeout`](Self::send_timeout) does.
    ///
    /// # Errors
    ///
    /// [`Timeout`](SendTimeoutError::Timeout) or [`Disconnected`](SendTimeoutError::Disconnected).
    pub fn write_chunk_timeout(
        &mut self,
        max: usize,
        timeout: Duration,
    ) -> Result<WriteChunk<'_, 'a, T, N>, SendTimeoutError<()>> {
        let chunk = self.chunk(max, until(timeout));
        chunk.map_err(|idle| send_timeout(idle, ()))
    }

    /// Returns free slots as [`write_chunk_timeout`](Self::write_chunk_timeout) does, and waits until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`write_chunk_timeout`](Self::write_chunk_timeout).
    pub fn write_chunk_deadline(
        &mut self,
        max: usize,
        deadline: Instant,
    ) -> Result<WriteChunk<'_, 'a, T, N>, SendTimeoutError<()>> {
        let chunk = self.chunk(max, at(deadline));
        chunk.map_err(|idle| send_timeout(idle, ()))
    }

    fn chunk(
        &mut self,
        max: usize,
        timeout: impl FnOnce() -> Timeout,
    ) -> Result<WriteChunk<'_, 'a, T, N>, Idle> {
        let slots = ShmSlice::new(self.slots);
        Chunk::new(&mut self.end, slots, max, timeout).map(WriteChunk)
    }
}

/// Several messages that are read in their slots.
impl<'a, T: ShmLayout, const N: usize> Receiver<'a, T, N> {
    /// Returns as many messages as there are, at least one and at most `max`, in their slots, and waits while the ring is empty.
    /// They count as received at [`ReadChunk::commit`], all or the first of them.
    ///
    /// If the receiver is killed before it commits, or drops the chunk, the messages stay in the ring. Their deliveries are not
    /// counted: a message that may kill its receiver is a case for [`recv_with`](Self::recv_with).
    ///
    /// [`Sender::write_chunk`] has an example.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn read_chunk(&mut self, max: usize) -> Result<ReadChunk<'_, 'a, T, N>, RecvError> {
        self.chunk(max, || Timeout::Never).map_err(recv)
    }

    /// Returns messages as [`read_chunk`](Self::read_chunk) does, if there is one. Never waits, as [`try_recv`](Self::try_recv).
    ///
    /// # Errors
    ///
    /// As [`try_recv`](Self::try_recv).
    pub fn try_read_chunk(&mut self, max: usize) -> Result<ReadChunk<'_, 'a, T, N>, TryRecvError> {
        self.chunk(max, || Timeout::Now).map_err(try_recv)
    }

    /// Returns messages as [`read_chunk`](Self::read_chunk) does, and waits for the first for at most `timeout` as
    /// [`recv_timeout`](Self::recv_timeout) does.
    ///
    /// # Errors
    ///
    /// As [`recv_timeout`](Self::recv_timeout).
    pub fn read_chunk_timeout(
        &mut self,
        max: usize,
        timeout: Duration,
    ) -> Result<ReadChunk<'_, 'a, T, N>, RecvTimeoutError> {
        self.chunk(max, until(timeout)).map_err(recv_timeout)
    }

    /// Returns messages as [`read_chunk_timeout`](Self::read_chunk_timeout) does, and waits until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`read_chunk_timeout`](Self::read_chunk_timeout).
    pub fn read_chunk_deadline(
        &mut self,
        max: usize,
        deadline: Instant,
    ) -> Result<ReadChunk<'_, 'a, T, N>, RecvTimeoutError> {
        self.chunk(max, at(deadline)).map_err(recv_timeout)
    }

    fn chunk(
        &mut self,
        max: usize,
        timeout: impl FnOnce() -> Timeout,
    ) -> Result<ReadChunk<'_, 'a, T, N>, Idle> {
        let slots = ShmSlice::new(self.slots).read_only();
        Chunk::new(&mut self.end, slots, max, timeout).map(ReadChunk)
    }
}

impl<T: ShmLayout, const N: usize> fmt::Debug for WriteChunk<'_, '_, T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteChunk")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl<T: ShmLayout, const N: usize> fmt::Debug for ReadChunk<'_, '_, T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadChunk")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
