//! Rings.

use shm_core::sync::{Receiver, Ring, Sender};
use shm_core::{Shm, ShmLayout, ShmValue};

use super::{Message, Result, Rx, SLOTS, Transport, Tx, Way};
use crate::process::unique;

#[derive(ShmLayout)]
#[repr(C)]
pub(crate) struct Rings<T: ShmValue> {
    there: Ring<T, SLOTS>,
    back: Ring<T, SLOTS>,
}

/// `shm_core::sync::Ring`.
pub(crate) struct Ours;

impl<const N: usize> Tx<N> for Sender<'_, Message<N>, SLOTS> {
    #[inline(always)]
    fn send(&mut self, message: &Message<N>) -> Result<()> {
        Ok(Sender::send(self, *message)?)
    }

    #[inline]
    fn send_all(&mut self, messages: &[Message<N>]) -> Result<()> {
        Ok(self
            .send_slice(messages)
            .map_err(|error| error.to_string())?)
    }
}

impl<const N: usize> Rx<N> for Receiver<'_, Message<N>, SLOTS> {
    #[inline(always)]
    fn recv(&mut self) -> Result<Message<N>> {
        Ok(Receiver::recv(self)?)
    }

    #[inline]
    fn recv_some(&mut self, into: &mut [Message<N>]) -> Result<usize> {
        Ok(self.recv_slice(into)?)
    }
}

impl<const N: usize> Transport<N> for Ours {
    const NAME: &'static str = "Ring";

    type Line = Shm<Rings<Message<N>>>;
    type Tx<'l> = Sender<'l, Message<N>, SLOTS>;
    type Rx<'l> = Receiver<'l, Message<N>, SLOTS>;

    fn host() -> Result<(Self::Line, String)> {
        let name = unique("ring");
        Ok((Rings::create(&name)?, name))
    }

    fn open(key: &str) -> Result<Self::Line> {
        Ok(Rings::attach(key)?)
    }

    fn tx(line: &Self::Line, way: Way) -> Result<Self::Tx<'_>> {
        Ok(match way {
            Way::There => line.there.sender()?,
            Way::Back => line.back.sender()?,
        })
    }

    fn rx(line: &Self::Line, way: Way) -> Result<Self::Rx<'_>> {
        Ok(match way {
            Way::There => line.there.receiver()?,
            Way::Back => line.back.receiver()?,
        })
    }
}
