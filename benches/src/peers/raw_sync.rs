//! raw_sync's objects in memory of shared_memory.

use raw_sync::Timeout;
use raw_sync::events::{Event, EventImpl, EventInit, EventState};
use raw_sync::locks::{LockImpl, LockInit, Mutex as RawMutex};
use shared_memory::{Shmem, ShmemConf};

use crate::harness::Result;

const LEN: usize = 4096;
/// The distance of two places for objects.
const PLACE: usize = 256;

fn create(name: &str) -> Result<Shmem> {
    Ok(ShmemConf::new().os_id(name).size(LEN).create()?)
}

fn open(name: &str) -> Result<Shmem> {
    Ok(ShmemConf::new().os_id(name).open()?)
}

fn place(memory: &Shmem, index: usize) -> *mut u8 {
    assert!((index + 1) * PLACE <= LEN);
    // SAFETY: the place is inside the memory.
    unsafe { memory.as_ptr().add(index * PLACE) }
}

/// Creates, writes to and removes a segment of shared_memory.
pub(crate) fn create_and_remove(name: &str) -> Result<()> {
    let memory = create(name)?;
    // SAFETY: nothing else accesses the memory.
    unsafe { memory.as_ptr().write_volatile(1) };
    Ok(())
}

/// Opens, reads and closes a segment of shared_memory.
pub(crate) fn attach_and_detach(name: &str) -> Result<u8> {
    let memory = open(name)?;
    // SAFETY: the memory is mapped, and bytes have no invalid values.
    Ok(unsafe { memory.as_ptr().read_volatile() })
}

/// A segment of shared_memory, for attaching to it.
pub(crate) struct Segment {
    _memory: Shmem,
}

impl Segment {
    pub(crate) fn create(name: &str) -> Result<Self> {
        Ok(Self {
            _memory: create(name)?,
        })
    }
}

/// A mutex.
pub(crate) struct Mutex {
    lock: Box<dyn LockImpl>,
    _memory: Shmem,
}

impl Mutex {
    pub(crate) fn create(name: &str) -> Result<Self> {
        let memory = create(name)?;
        let at = place(&memory, 0);
        // SAFETY: the memory has room for a mutex and lives as long.
        let (lock, _) = unsafe { RawMutex::new(at, at) }.map_err(|error| error.to_string())?;
        Ok(Self {
            lock,
            _memory: memory,
        })
    }

    pub(crate) fn lock(&self) -> bool {
        self.lock.lock().is_ok()
    }
}

/// Two events that reset themselves.
pub(crate) struct Events {
    events: Vec<Box<dyn EventImpl>>,
    memory: Shmem,
}

impl Events {
    pub(crate) fn create(name: &str) -> Result<Self> {
        Self::with(create(name)?, |at| {
            // SAFETY: the memory has room for an event and lives as long.
            Ok(unsafe { Event::new(at, true) }
                .map_err(|error| error.to_string())?
                .0)
        })
    }

    pub(crate) fn open(name: &str) -> Result<Self> {
        Self::with(open(name)?, |at| {
            // SAFETY: another process has made an event there.
            Ok(unsafe { Event::from_existing(at) }
                .map_err(|error| error.to_string())?
                .0)
        })
    }

    fn with(memory: Shmem, make: impl Fn(*mut u8) -> Result<Box<dyn EventImpl>>) -> Result<Self> {
        let events = (0..2).map(|index| make(place(&memory, index)));
        Ok(Self {
            events: events.collect::<Result<_>>()?,
            memory,
        })
    }

    pub(crate) fn set(&self, index: usize) -> bool {
        self.events[index].set(EventState::Signaled).is_ok()
    }

    pub(crate) fn wait(&self, index: usize) -> bool {
        self.events[index].wait(Timeout::Infinite).is_ok()
    }
}

/// A message in the fourth place, behind an event for full and one for free.
pub(crate) struct Slot(Events);

impl Slot {
    const FULL: usize = 0;
    const FREE: usize = 1;

    pub(crate) fn create(name: &str) -> Result<Self> {
        let events = Events::create(name)?;
        events.set(Self::FREE);
        Ok(Self(events))
    }

    pub(crate) fn open(name: &str) -> Result<Self> {
        Ok(Self(Events::open(name)?))
    }

    pub(crate) fn put<const N: usize>(&self, message: &[u64; N]) -> Result<()> {
        if !self.0.wait(Self::FREE) {
            return Err("raw_sync: the wait failed".into());
        }
        let at = place(&self.0.memory, 4).cast::<[u64; N]>();
        // SAFETY: the place has room for the message, is aligned to a page's part, and is this end's until `FULL` is set.
        unsafe { at.write_volatile(*message) };
        self.0.set(Self::FULL);
        Ok(())
    }

    pub(crate) fn take<const N: usize>(&self) -> Result<[u64; N]> {
        if !self.0.wait(Self::FULL) {
            return Err("raw_sync: the wait failed".into());
        }
        let at = place(&self.0.memory, 4).cast::<[u64; N]>();
        // SAFETY: the place holds a message, and is this end's until `FREE` is set.
        let message = unsafe { at.read_volatile() };
        self.0.set(Self::FREE);
        Ok(message)
    }
}
