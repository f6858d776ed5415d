//! iceoryx2: blackboard, publish-subscribe and event.

use std::hint::spin_loop;

use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::reader::EntryHandle;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::port::writer::EntryHandleMut;
use iceoryx2::prelude::*;

use crate::harness::Result;
use crate::process::run_number;

type Ipc = ipc_threadsafe::Service;

/// Where this run keeps its files, so that it can remove those of the processes that it kills.
fn folder() -> String {
    format!("/tmp/bench-iceoryx-{}", run_number())
}

fn prefix() -> String {
    format!("bench-iox2-{}-", run_number())
}

/// Removes what killed processes have left.
pub(crate) fn clean_up() {
    let _ = std::fs::remove_dir_all(folder());
    let prefix = prefix();
    let entries = std::fs::read_dir("/dev/shm")
        .into_iter()
        .flatten()
        .flatten();
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn node() -> Result<Node<Ipc>> {
    set_log_level(LogLevel::Fatal);
    let mut config = Config::default();
    config
        .global
        .set_root_path(&Path::new(folder().as_bytes())?);
    config.global.prefix = FileName::new(prefix().as_bytes())?;
    Ok(NodeBuilder::new()
        .config(&config)
        .signal_handling_mode(SignalHandlingMode::Disabled)
        .create::<Ipc>()?)
}

fn service_name(name: &str) -> Result<ServiceName> {
    Ok(name.trim_start_matches('/').try_into()?)
}

/// A blackboard of one value.
pub(crate) struct Blackboard<T: Copy + ZeroCopySend + std::fmt::Debug + 'static> {
    // In this order, so that a port goes before its service.
    pub(crate) writer: EntryHandleMut<Ipc, u64, T>,
    pub(crate) reader: EntryHandle<Ipc, u64, T>,
    _node: Node<Ipc>,
}

impl<T: Copy + ZeroCopySend + std::fmt::Debug + 'static> Blackboard<T> {
    pub(crate) fn create(name: &str, value: T) -> Result<Self> {
        let node = node()?;
        let service = node
            .service_builder(&service_name(name)?)
            .blackboard_creator::<u64>()
            .add::<T>(0, value)
            .create()?;
        let writer = service.writer_builder().create()?.entry::<T>(&0)?;
        let reader = service.reader_builder().create()?.entry::<T>(&0)?;
        Ok(Self {
            writer,
            reader,
            _node: node,
        })
    }
}

/// Publish-subscribe with messages of one type.
pub(crate) struct Topic<T: Copy + ZeroCopySend + std::fmt::Debug + 'static> {
    service: iceoryx2::service::port_factory::publish_subscribe::PortFactory<Ipc, T, ()>,
    _node: Node<Ipc>,
}

/// What a publisher does when a subscriber's buffer is full.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    Overwrite,
    Wait,
}

impl<T: Copy + ZeroCopySend + std::fmt::Debug + 'static> Topic<T> {
    pub(crate) fn open(name: &str, slots: usize, full: Full) -> Result<Self> {
        let node = node()?;
        let service = node
            .service_builder(&service_name(name)?)
            .publish_subscribe::<T>()
            .subscriber_max_buffer_size(slots)
            .enable_safe_overflow(full == Full::Overwrite)
            .max_publishers(1)
            .max_subscribers(1)
            .open_or_create()?;
        Ok(Self {
            service,
            _node: node,
        })
    }

    pub(crate) fn publisher(&self) -> Result<Publisher<Ipc, T, ()>> {
        let builder = self.service.publisher_builder();
        Ok(builder
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()?)
    }

    pub(crate) fn subscriber(&self) -> Result<Subscriber<Ipc, T, ()>> {
        Ok(self.service.subscriber_builder().create()?)
    }
}

/// Looks without a pause until there is a message: a subscriber does not sleep.
pub(crate) fn receive<T: Copy + ZeroCopySend + std::fmt::Debug + 'static>(
    subscriber: &Subscriber<Ipc, T, ()>,
) -> Result<T> {
    loop {
        if let Some(sample) = subscriber.receive()? {
            return Ok(*sample.payload());
        }
        spin_loop();
    }
}

/// An event service; its listeners sleep.
pub(crate) struct Events {
    service: iceoryx2::service::port_factory::event::PortFactory<Ipc>,
    _node: Node<Ipc>,
}

impl Events {
    pub(crate) fn open(name: &str) -> Result<Self> {
        let node = node()?;
        let service = node
            .service_builder(&service_name(name)?)
            .event()
            .max_listeners(64)
            .open_or_create()?;
        Ok(Self {
            service,
            _node: node,
        })
    }

    pub(crate) fn notifier(&self) -> Result<Notifier<Ipc>> {
        Ok(self.service.notifier_builder().create()?)
    }

    pub(crate) fn listener(&self) -> Result<Listener<Ipc>> {
        Ok(self.service.listener_builder().create()?)
    }
}

/// Sleeps until there is a notification.
pub(crate) fn wait(listener: &Listener<Ipc>) -> Result<()> {
    while listener.blocking_wait(|_| {})? == 0 {}
    Ok(())
}

/// Two event services: this end notifies of one and listens to the other.
pub(crate) struct Bells {
    notifier: Notifier<Ipc>,
    listener: Listener<Ipc>,
    _events: [Events; 2],
}

impl Bells {
    /// Listens to the service with the number, and notifies of the other.
    pub(crate) fn open(name: &str, listens_to: usize) -> Result<Self> {
        let events = [
            Events::open(&format!("{name}-0"))?,
            Events::open(&format!("{name}-1"))?,
        ];
        Ok(Self {
            notifier: events[1 - listens_to].notifier()?,
            listener: events[listens_to].listener()?,
            _events: events,
        })
    }

    pub(crate) fn notify(&self) -> Result<()> {
        self.notifier.notify()?;
        Ok(())
    }

    pub(crate) fn listen(&self) -> Result<()> {
        wait(&self.listener)
    }
}
