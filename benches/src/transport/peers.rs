//! iceoryx2, ipc-channel, Boost and raw_sync.

use std::cell::RefCell;

use ipc_channel::ipc::{
    IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender, bytes_channel,
};

use super::{Message, Result, Rx, SLOTS, Transport, Tx, Way};
use crate::peers::iceoryx::{self, Full, Topic};
use crate::process::unique;

type Publisher<const N: usize> = iceoryx2::port::publisher::Publisher<
    iceoryx2::prelude::ipc_threadsafe::Service,
    Message<N>,
    (),
>;
type Subscriber<const N: usize> = iceoryx2::port::subscriber::Subscriber<
    iceoryx2::prelude::ipc_threadsafe::Service,
    Message<N>,
    (),
>;

/// Publish-subscribe of iceoryx2. Its ends look without a pause.
pub(crate) struct Iceoryx;

impl<const N: usize> Tx<N> for Publisher<N> {
    fn send(&mut self, message: &Message<N>) -> Result<()> {
        let sample = self.loan_uninit()?;
        sample.write_payload(*message).send()?;
        Ok(())
    }
}

impl<const N: usize> Rx<N> for Subscriber<N> {
    fn recv(&mut self) -> Result<Message<N>> {
        iceoryx::receive(self)
    }
}

impl<const N: usize> Transport<N> for Iceoryx {
    const NAME: &'static str = "iceoryx2 publish-subscribe";

    type Line = [Topic<Message<N>>; 2];
    type Tx<'l> = Publisher<N>;
    type Rx<'l> = Subscriber<N>;

    fn host() -> Result<(Self::Line, String)> {
        let key = unique("iceoryx");
        Ok((<Self as Transport<N>>::open(&key)?, key))
    }

    fn open(key: &str) -> Result<Self::Line> {
        let topic = |way: Way| Topic::open(&format!("{key}{}", way.suffix()), SLOTS, Full::Wait);
        Ok([topic(Way::There)?, topic(Way::Back)?])
    }

    fn tx(line: &Self::Line, way: Way) -> Result<Publisher<N>> {
        line[way as usize].publisher()
    }

    fn rx(line: &Self::Line, way: Way) -> Result<Subscriber<N>> {
        line[way as usize].subscriber()
    }
}

/// Byte channels of ipc-channel.
pub(crate) struct IpcChannel;

type Bytes = (IpcBytesSender, IpcBytesReceiver);

/// Two channels, which the other process makes and sends to the hosting one.
pub(crate) struct Channels {
    server: RefCell<Option<IpcOneShotServer<Bytes>>>,
    ends: RefCell<(Option<IpcBytesSender>, Option<IpcBytesReceiver>)>,
}

impl Channels {
    fn accept(&self) -> Result<()> {
        if let Some(server) = self.server.take() {
            let (_, (tx, rx)) = server.accept()?;
            *self.ends.borrow_mut() = (Some(tx), Some(rx));
        }
        Ok(())
    }
}

impl<const N: usize> Tx<N> for IpcBytesSender {
    fn send(&mut self, message: &Message<N>) -> Result<()> {
        let mut bytes = [[0; 8]; N];
        for (bytes, word) in bytes.iter_mut().zip(message) {
            *bytes = word.to_ne_bytes();
        }
        Ok(IpcBytesSender::send(self, bytes.as_flattened())?)
    }
}

impl<const N: usize> Rx<N> for IpcBytesReceiver {
    fn recv(&mut self) -> Result<Message<N>> {
        let bytes = IpcBytesReceiver::recv(self)?;
        let mut message = [0; N];
        for (word, bytes) in message.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_ne_bytes(*bytes);
        }
        Ok(message)
    }
}

impl<const N: usize> Transport<N> for IpcChannel {
    const NAME: &'static str = "ipc-channel";
    const QUICK: bool = false;

    type Line = Channels;
    type Tx<'l> = IpcBytesSender;
    type Rx<'l> = IpcBytesReceiver;

    fn host() -> Result<(Channels, String)> {
        let (server, key) = IpcOneShotServer::new()?;
        let line = Channels {
            server: RefCell::new(Some(server)),
            ends: RefCell::default(),
        };
        Ok((line, key))
    }

    fn open(key: &str) -> Result<Channels> {
        let (there_tx, there_rx) = bytes_channel()?;
        let (back_tx, back_rx) = bytes_channel()?;
        let connection: IpcSender<Bytes> = IpcSender::connect(key.to_owned())?;
        connection.send((there_tx, back_rx))?;
        Ok(Channels {
            server: RefCell::new(None),
            ends: RefCell::new((Some(back_tx), Some(there_rx))),
        })
    }

    fn tx(line: &Channels, _: Way) -> Result<IpcBytesSender> {
        line.accept()?;
        Ok(line.ends.borrow_mut().0.take().ok_or("the end is taken")?)
    }

    fn rx(line: &Channels, _: Way) -> Result<IpcBytesReceiver> {
        line.accept()?;
        Ok(line.ends.borrow_mut().1.take().ok_or("the end is taken")?)
    }
}

/// A message queue of Boost.Interprocess.
#[cfg(boost)]
pub(crate) struct Boost;

/// An end of a message queue.
#[cfg(boost)]
pub(crate) struct QueueEnd<'l>(&'l crate::peers::boost::Queue);

#[cfg(boost)]
impl<const N: usize> Tx<N> for QueueEnd<'_> {
    fn send(&mut self, message: &Message<N>) -> Result<()> {
        self.0.send(message)
    }
}

#[cfg(boost)]
impl<const N: usize> Rx<N> for QueueEnd<'_> {
    fn recv(&mut self) -> Result<Message<N>> {
        let mut message = [0; N];
        self.0.receive(&mut message)?;
        Ok(message)
    }
}

#[cfg(boost)]
impl<const N: usize> Transport<N> for Boost {
    const NAME: &'static str = "Boost message_queue";
    const QUICK: bool = false;

    type Line = [crate::peers::boost::Queue; 2];
    type Tx<'l> = QueueEnd<'l>;
    type Rx<'l> = QueueEnd<'l>;

    fn host() -> Result<(Self::Line, String)> {
        let key = unique("queue");
        let queue = |way: Way| {
            let name = format!("{key}{}", way.suffix());
            crate::peers::boost::Queue::create(&name, SLOTS, size_of::<Message<N>>())
        };
        Ok(([queue(Way::There)?, queue(Way::Back)?], key))
    }

    fn open(key: &str) -> Result<Self::Line> {
        let queue = |way: Way| crate::peers::boost::Queue::open(&format!("{key}{}", way.suffix()));
        Ok([queue(Way::There)?, queue(Way::Back)?])
    }

    fn tx(line: &Self::Line, way: Way) -> Result<QueueEnd<'_>> {
        Ok(QueueEnd(&line[way as usize]))
    }

    fn rx(line: &Self::Line, way: Way) -> Result<QueueEnd<'_>> {
        Ok(QueueEnd(&line[way as usize]))
    }
}

/// One slot in memory of shared_memory, with raw_sync's events for full and free.
pub(crate) struct RawSync;

/// An end of the slot.
pub(crate) struct SlotEnd<'l>(&'l crate::peers::raw_sync::Slot);

impl<const N: usize> Tx<N> for SlotEnd<'_> {
    fn send(&mut self, message: &Message<N>) -> Result<()> {
        self.0.put(message)
    }
}

impl<const N: usize> Rx<N> for SlotEnd<'_> {
    fn recv(&mut self) -> Result<Message<N>> {
        self.0.take()
    }
}

impl<const N: usize> Transport<N> for RawSync {
    const NAME: &'static str = "shared_memory + raw_sync, one slot";
    const QUICK: bool = false;

    type Line = [crate::peers::raw_sync::Slot; 2];
    type Tx<'l> = SlotEnd<'l>;
    type Rx<'l> = SlotEnd<'l>;

    fn host() -> Result<(Self::Line, String)> {
        let key = unique("slot");
        let slot =
            |way: Way| crate::peers::raw_sync::Slot::create(&format!("{key}{}", way.suffix()));
        Ok(([slot(Way::There)?, slot(Way::Back)?], key))
    }

    fn open(key: &str) -> Result<Self::Line> {
        let slot = |way: Way| crate::peers::raw_sync::Slot::open(&format!("{key}{}", way.suffix()));
        Ok([slot(Way::There)?, slot(Way::Back)?])
    }

    fn tx(line: &Self::Line, way: Way) -> Result<SlotEnd<'_>> {
        Ok(SlotEnd(&line[way as usize]))
    }

    fn rx(line: &Self::Line, way: Way) -> Result<SlotEnd<'_>> {
        Ok(SlotEnd(&line[way as usize]))
    }
}
