//! Ways to move messages from one end to the other, behind one interface, so that rows measure all of them with the same code.

mod between;
#[cfg(feature = "peers")]
mod peers;
mod sockets;
mod tasks;
mod threads;

pub(crate) use tasks::{Ends, ends, helper};

use crate::harness::Result;

/// The capacity of all queues that have one.
pub(crate) const SLOTS: usize = 1024;

/// A message of `N` words.
pub(crate) type Message<const N: usize> = [u64; N];

/// Message `number`.
pub(crate) fn message<const N: usize>(number: u64) -> Message<N> {
    std::array::from_fn(|index| number + index as u64)
}

/// The end that sends.
pub(crate) trait Tx<const N: usize> {
    fn send(&mut self, message: &Message<N>) -> Result<()>;

    /// Sends all of them, at once where there is a way.
    fn send_all(&mut self, messages: &[Message<N>]) -> Result<()> {
        messages.iter().try_for_each(|message| self.send(message))
    }
}

/// The end that receives.
pub(crate) trait Rx<const N: usize> {
    fn recv(&mut self) -> Result<Message<N>>;

    /// Receives at least one, and several at once where there is a way. Returns how many.
    fn recv_some(&mut self, into: &mut [Message<N>]) -> Result<usize> {
        into[0] = self.recv()?;
        Ok(1)
    }
}

/// From the process that hosts the line to the other one, or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    There,
    Back,
}

impl Way {
    fn suffix(self) -> &'static str {
        match self {
            Self::There => "-there",
            Self::Back => "-back",
        }
    }
}

/// A way between two processes. A line leads both ways.
pub(crate) trait Transport<const N: usize> {
    const NAME: &'static str;
    /// Whether a message takes nanoseconds, not microseconds.
    const QUICK: bool = true;

    type Line;
    type Tx<'l>: Tx<N>;
    type Rx<'l>: Rx<N>;

    /// Makes a line. Returns it with the key by which the other process opens it.
    fn host() -> Result<(Self::Line, String)>;
    fn open(key: &str) -> Result<Self::Line>;
    fn tx(line: &Self::Line, way: Way) -> Result<Self::Tx<'_>>;
    fn rx(line: &Self::Line, way: Way) -> Result<Self::Rx<'_>>;
}

/// A way between two threads of one process.
pub(crate) trait Pair<const N: usize> {
    const NAME: &'static str;

    type Tx: Tx<N> + Send;
    type Rx: Rx<N> + Send;

    fn pair() -> (Self::Tx, Self::Rx);
}
