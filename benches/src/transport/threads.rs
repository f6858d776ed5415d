//! Queues between two threads.

use std::hint::spin_loop;
use std::sync::mpsc;

use super::{Message, Pair, Result, Rx, SLOTS, Tx};

/// rtrb. It does not wait, so both ends look without a pause.
pub(crate) struct Rtrb;

impl<const N: usize> Tx<N> for rtrb::Producer<Message<N>> {
    #[inline(always)]
    fn send(&mut self, message: &Message<N>) -> Result<()> {
        while self.push(*message).is_err() {
            spin_loop();
        }
        Ok(())
    }

    #[inline]
    fn send_all(&mut self, mut messages: &[Message<N>]) -> Result<()> {
        while !messages.is_empty() {
            let (_, rest) = self.push_partial_slice(messages);
            messages = rest;
        }
        Ok(())
    }
}

impl<const N: usize> Rx<N> for rtrb::Consumer<Message<N>> {
    #[inline(always)]
    fn recv(&mut self) -> Result<Message<N>> {
        loop {
            match self.pop() {
                Ok(message) => return Ok(message),
                Err(_) => spin_loop(),
            }
        }
    }

    #[inline]
    fn recv_some(&mut self, into: &mut [Message<N>]) -> Result<usize> {
        loop {
            match self.pop_partial_slice(into).0.len() {
                0 => spin_loop(),
                count => return Ok(count),
            }
        }
    }
}

impl<const N: usize> Pair<N> for Rtrb {
    const NAME: &'static str = "rtrb, threads that spin";

    type Tx = rtrb::Producer<Message<N>>;
    type Rx = rtrb::Consumer<Message<N>>;

    fn pair() -> (Self::Tx, Self::Rx) {
        rtrb::RingBuffer::new(SLOTS)
    }
}

/// `std::sync::mpsc::sync_channel`.
pub(crate) struct SyncChannel;

impl<const N: usize> Tx<N> for mpsc::SyncSender<Message<N>> {
    fn send(&mut self, message: &Message<N>) -> Result<()> {
        Ok(mpsc::SyncSender::send(self, *message)?)
    }
}

impl<const N: usize> Rx<N> for mpsc::Receiver<Message<N>> {
    fn recv(&mut self) -> Result<Message<N>> {
        Ok(mpsc::Receiver::recv(self)?)
    }
}

impl<const N: usize> Pair<N> for SyncChannel {
    const NAME: &'static str = "std sync_channel, threads";

    type Tx = mpsc::SyncSender<Message<N>>;
    type Rx = mpsc::Receiver<Message<N>>;

    fn pair() -> (Self::Tx, Self::Rx) {
        mpsc::sync_channel(SLOTS)
    }
}

/// crossbeam-channel.
pub(crate) struct Crossbeam;

impl<const N: usize> Tx<N> for crossbeam_channel::Sender<Message<N>> {
    fn send(&mut self, message: &Message<N>) -> Result<()> {
        Ok(crossbeam_channel::Sender::send(self, *message)?)
    }
}

impl<const N: usize> Rx<N> for crossbeam_channel::Receiver<Message<N>> {
    fn recv(&mut self) -> Result<Message<N>> {
        Ok(crossbeam_channel::Receiver::recv(self)?)
    }
}

impl<const N: usize> Pair<N> for Crossbeam {
    const NAME: &'static str = "crossbeam-channel, threads";

    type Tx = crossbeam_channel::Sender<Message<N>>;
    type Rx = crossbeam_channel::Receiver<Message<N>>;

    fn pair() -> (Self::Tx, Self::Rx) {
        crossbeam_channel::bounded(SLOTS)
    }
}
