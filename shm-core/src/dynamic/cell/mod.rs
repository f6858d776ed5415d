//! [`DynCell`]: a part of a segment without its Rust type.

mod image;
mod resolve;
mod sync;
mod write;

use std::fmt;
use std::mem::offset_of;
use std::ops::Range;
use std::sync::Arc;

use super::DynValue;
use super::error::DynError;
use super::path::{self, Step};
use super::place::{Budget, Counters, Place, ReadFailed};
use super::segment::{Handle, Memory};
use crate::error::InvalidValue;
use crate::layout::{QueueLayout, SeqLockLayout, TypeLayout};
use crate::primitive::{AtomicU32, AtomicU64};
use crate::protocol::padded::Padded;
use crate::protocol::{broadcast, ring};
use crate::segment::Dump;
use crate::shm_layout::ShmLayout;
use crate::sys::{Errno, SysError};

use resolve::{Base, Part};

pub use sync::SyncState;

/// A part of a [`DynSegment`](super::DynSegment), found by its path: what a [`ShmCell`](crate::ShmCell) is for a program that has
/// the type.
///
/// It keeps the segment mapped, also after the [`DynSegment`](super::DynSegment) was dropped.
///
/// # Memory ordering
///
/// As with typed cells, each number, `bool`, `char` or enum is one relaxed access of its own size, and 128-bit integers are two.
/// Atomics are loaded with acquire and stored with release ordering, and so is the length of a vector.
#[derive(Clone)]
pub struct DynCell {
    handle: Arc<Handle>,
    /// The path, as messages show it; empty for the whole.
    path: String,
    part: Part,
}

impl DynCell {
    /// The whole payload.
    pub(super) fn whole(handle: Arc<Handle>) -> Self {
        let part = Part::whole(handle.layout);
        Self {
            handle,
            path: String::new(),
            part,
        }
    }

    /// Finds a part of this part, as [`DynSegment::at`](super::DynSegment::at) does.
    ///
    /// # Errors
    ///
    /// As [`DynSegment::at`](super::DynSegment::at).
    pub fn at(&self, path: &str) -> Result<Self, DynError> {
        let steps = path::parse(path).map_err(|(at, reason)| DynError::InvalidPath {
            path: path.to_owned(),
            at,
            reason,
        })?;
        let mut cell = self.clone();
        for step in &steps {
            cell = cell.step(step)?;
        }
        Ok(cell)
    }

    /// Finds the field of a struct, or the word of a type of [`sync`](crate::sync), with this name.
    ///
    /// # Errors
    ///
    /// [`NoSuchPart`](DynError::NoSuchPart) with the fields that there are.
    pub fn field(&self, name: &str) -> Result<Self, DynError> {
        self.step(&Step::Field(name.to_owned()))
    }

    /// Finds the element of an array, a slice or a vector with this index.
    ///
    /// # Errors
    ///
    /// [`NoSuchPart`](DynError::NoSuchPart) with the number of elements.
    pub fn index(&self, index: usize) -> Result<Self, DynError> {
        self.step(&Step::Index(index as u64))
    }

    fn step(&self, step: &Step) -> Result<Self, DynError> {
        let mut path = self.path.clone();
        if matches!(step, Step::Field(_)) && !path.is_empty() {
            path.push('.');
        }
        path.push_str(&step.to_string());
        match self.part.step(step, self) {
            Ok(part) => Ok(Self {
                handle: Arc::clone(&self.handle),
                path,
                part,
            }),
            Err(resolve::Missing::Part(reason)) => Err(DynError::NoSuchPart { path, reason }),
            Err(resolve::Missing::Bytes(error)) => Err(error),
        }
    }

    /// Returns the names of the fields that the part has: those of a struct, also of one in a `Mutex` or a `SeqLock`, or the words
    /// of another type of [`sync`](crate::sync). Other parts have none.
    #[must_use]
    pub fn field_names(&self) -> Vec<&'static str> {
        let fields = self.part.fields();
        fields.iter().map(|field| field.name()).collect()
    }

    /// Returns the number of elements of an array, a slice, a vector or a list of elements; `None` for other parts. That of a
    /// vector is its length at this moment.
    ///
    /// # Errors
    ///
    /// [`Invalid`](DynError::Invalid) if another process has written a length above the vector's capacity;
    /// [`Os`](DynError::Os) for a dump.
    pub fn len(&self) -> Result<Option<usize>, DynError> {
        let elements = self.part.elements(self)?;
        Ok(elements.map(|(_, len)| len))
    }

    /// Returns `true` if the part has elements, and their number is 0.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    pub fn is_empty(&self) -> Result<bool, DynError> {
        Ok(self.len()? == Some(0))
    }

    /// Returns the path from the whole payload to this part; `.` for the payload itself.
    #[must_use]
    pub fn path(&self) -> &str {
        match self.path.as_str() {
            "" => ".",
            path => path,
        }
    }

    /// Returns the bytes from the start of the payload to the part. `None` for a part of a [`SeqLock`](crate::sync::SeqLock)'s value
    /// or of a message, which is in another slot each time.
    #[must_use]
    pub fn offset(&self) -> Option<usize> {
        match self.part.base {
            Base::Payload => Some(self.part.offset),
            Base::SeqLock { .. } | Base::Message { .. } => None,
        }
    }

    /// Returns the layout of the part, or that of an element if the part is a list of elements, as `a[2..5]` is.
    #[must_use]
    pub fn layout(&self) -> &'static TypeLayout {
        self.part.layout
    }

    /// Reads the value.
    ///
    /// A value of several numbers may be read partly old and partly new if another process writes it meanwhile, as with
    /// [`ShmCell::load`](crate::ShmCell::load). The value of a [`SeqLock`](crate::sync::SeqLock), or a part of it, is always a committed
    /// one. That of a [`Mutex`](crate::sync::Mutex) is read without the lock, as by [`unlocked`](crate::sync::Mutex::unlocked). The other
    /// types of [`sync`](crate::sync) are a struct of their words. Of a type of a later format, the bytes are read. Reading writes
    /// nothing and never waits.
    ///
    /// # Errors
    ///
    /// [`Invalid`](DynError::Invalid) if an enum, a `char` or the length of a vector is not valid; [`Contended`](DynError::Contended);
    /// [`TooLarge`](DynError::TooLarge) for more than 1,048,576 values, of which 8 bytes of a type of a later format are one, more than
    /// 1,024 values without bytes, names of more than 64 MiB in all of them, or more than 1 GiB in a `SeqLock` or a dump;
    /// [`Os`](DynError::Os) for a dump.
    pub fn get(&self) -> Result<DynValue, DynError> {
        let budget = Budget::new();
        let (part, layout) = (&self.part, self.part.layout);
        let read = match (&self.handle.memory, &part.base) {
            (Memory::Mapped(_), Base::Payload) => self
                .place_at(part.offset, layout, &budget)
                .read_all(part.len),
            (Memory::Mapped(_), Base::SeqLock { at, of, lock }) => self
                .place_at(*at, of, &budget)
                .committed(lock, part.offset, layout, part.len),
            (
                Memory::Mapped(_),
                Base::Message {
                    at,
                    of,
                    queue,
                    number,
                },
            ) => self.place_at(*at, of, &budget).message(
                queue,
                *number,
                (part.offset, layout, part.len),
            ),
            (Memory::File(dump), base) => {
                let at = match base {
                    Base::Payload => part.offset,
                    Base::SeqLock { at, lock, .. } => {
                        part.offset + at + self.committed_in(*at, lock)?
                    }
                    Base::Message {
                        at,
                        of,
                        queue,
                        number,
                    } => {
                        let slot = self.slot_in((*at, of), queue, *number)?;
                        part.offset + at + queue.first + slot * queue.element.size()
                    }
                };
                let tail = part.tail(&self.handle);
                let copy = self.copy(dump, at, layout, (part.len.unwrap_or(1), tail))?;
                let count = (part.len.unwrap_or(1), tail);
                match Place::copied(&copy, layout, count, dump.order, &budget) {
                    Some(place) => place.read_all(part.len),
                    None => Err(ReadFailed::TooLarge),
                }
            }
        };
        read.map_err(|failed| self.failed(failed))
    }

    /// The place at an offset in the payload of a mapped segment, which has such a layout there.
    fn place_at<'a>(
        &'a self,
        offset: usize,
        layout: &'static TypeLayout,
        budget: &'a Budget,
    ) -> Place<'a> {
        let Memory::Mapped(segment) = &self.handle.memory else {
            // Callers look at the memory before.
            unreachable!("a dump is not mapped");
        };
        let at = segment.payload().cast::<u8>().wrapping_add(offset);
        // SAFETY: the payload lives as long as the handle. Its layout, which the header was compared with, has a part of this layout
        // at this offset: so says the path, and the layout was checked.
        unsafe { Place::shared(at, layout, self.part.tail(&self.handle), budget) }
    }

    /// The offset of the committed value in the lock that is at an offset in a dump.
    fn committed_in(&self, lock_at: usize, lock: &SeqLockLayout) -> Result<usize, DynError> {
        let version = self.word(lock_at + lock.version, AtomicU64::LAYOUT)?;
        Ok(lock.value_offset(version))
    }

    /// The slot of a message of the queue that is at an offset in a dump.
    fn slot_in(
        &self,
        at: (usize, &'static TypeLayout),
        queue: &QueueLayout,
        number: u64,
    ) -> Result<usize, DynError> {
        let slot = self.with_counters(at, queue, |counters| {
            counters.slot(queue.slots, number, |slot| slot)
        });
        slot?.map_err(|failed| self.failed(failed))
    }

    /// Calls `look` with the counters of the queue, of the layout `of`, that is at an offset in the payload.
    fn with_counters<R>(
        &self,
        (at, of): (usize, &'static TypeLayout),
        queue: &QueueLayout,
        look: impl FnOnce(Counters<'_>) -> R,
    ) -> Result<R, DynError> {
        if let Memory::Mapped(_) = &self.handle.memory {
            let budget = Budget::new();
            let place = self.place_at(at, of, &budget);
            return Ok(look(place.counters(queue)));
        }
        let word = |offset| {
            let word = self.word(at + queue.counters + offset, AtomicU64::LAYOUT);
            word.map(AtomicU64::new)
        };
        if queue.is_ring {
            Ok(look(Counters::Ring(&ring::Counters {
                tail: Padded(word(offset_of!(ring::Counters, tail))?),
                head: Padded(word(offset_of!(ring::Counters, head))?),
                data: Padded(AtomicU32::new(0)),
                room: Padded(AtomicU32::new(0)),
            })))
        } else {
            Ok(look(Counters::Broadcast(&broadcast::Counters {
                reserved: word(offset_of!(broadcast::Counters, reserved))?,
                tail: word(offset_of!(broadcast::Counters, tail))?,
            })))
        }
    }

    /// Returns the numbers of the messages that a [`Ring`](crate::sync::Ring) or a [`Broadcast`](crate::sync::Broadcast) has at this
    /// moment: those that its receiver has not received, or that were not overwritten. `None` for other parts. The path of a message is
    /// `jobs[#17]`. It can be gone by the time it is read.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::dynamic::DynSegment;
    /// use shm_core::sync::Ring;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("/doc-dyn-messages-{}", std::process::id());
    /// let jobs = Ring::<u32, 8>::create(&name)?;
    /// jobs.sender()?.send_slice(&[70, 71, 72])?;
    /// jobs.receiver()?.recv()?;
    ///
    /// let segment = DynSegment::attach_read_only(&name)?;
    /// let messages = segment.at(".")?.messages()?;
    /// assert_eq!(messages, Some(1..3));
    /// assert_eq!(segment.at("[#1]")?.get()?.as_int(), Some(71)); // it stays in the ring
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Os`](DynError::Os) for a dump.
    pub fn messages(&self) -> Result<Option<Range<u64>>, DynError> {
        let part = self.part.innermost();
        let Some(queue) = part.queue() else {
            return Ok(None);
        };
        let present = |counters: Counters<'_>| counters.present(queue.slots);
        let present = self.with_counters((part.offset, part.layout), &queue, present)?;
        Ok(Some(present))
    }

    /// The word at an offset in the payload, of four or eight bytes. It acquires what was released with it.
    fn word(&self, offset: usize, layout: &'static TypeLayout) -> Result<u64, DynError> {
        let budget = Budget::new();
        match &self.handle.memory {
            Memory::Mapped(_) => Ok(self.place_at(offset, layout, &budget).word()),
            Memory::File(dump) => {
                let copy = self.copy(dump, offset, layout, (1, 0))?;
                let place = Place::copied(&copy, layout, (1, 0), dump.order, &budget);
                Ok(place.map_or(0, |place| place.word()))
            }
        }
    }

    /// Copies values from a dump.
    fn copy(
        &self,
        dump: &Dump,
        offset: usize,
        layout: &TypeLayout,
        (len, tail): (usize, usize),
    ) -> Result<Vec<u64>, DynError> {
        const MOST_BYTES: usize = 1 << 30;

        // The header was compared with the layout, so none of this overflows.
        let bytes = layout.size() * len + layout.tail_stride().unwrap_or(0) * tail;
        if bytes > MOST_BYTES {
            return Err(self.failed(ReadFailed::TooLarge));
        }
        let mut copy = vec![0_u64; bytes.div_ceil(8)];
        self.fill(
            dump,
            &mut bytemuck::cast_slice_mut(&mut copy)[..bytes],
            offset,
        )?;
        Ok(copy)
    }

    fn fill(&self, dump: &Dump, out: &mut [u8], offset: usize) -> Result<(), DynError> {
        let filled = dump.read(out, offset);
        let error = match filled {
            Ok(true) => return Ok(()),
            // The file was truncated since it was opened.
            Ok(false) => SysError::new("pread", Errno::ENODATA),
            Err(error) => error,
        };
        Err(DynError::Os {
            path: self.path().to_owned(),
            source: error.io(),
        })
    }

    fn failed(&self, failed: ReadFailed) -> DynError {
        let path = || self.path().to_owned();
        match failed {
            ReadFailed::Invalid(value) => DynError::Invalid(self.invalid(value)),
            ReadFailed::TooLarge => DynError::TooLarge { path: path() },
            ReadFailed::Contended => DynError::Contended { path: path() },
            ReadFailed::Gone(reason) => DynError::NoSuchPart {
                path: path(),
                reason,
            },
        }
    }

    /// The error of a part, with the path of this one before its own.
    fn invalid(&self, value: InvalidValue) -> InvalidValue {
        match self.path.as_str() {
            "" => value,
            path => value.within(path),
        }
    }
}

/// The path and the value.
impl fmt::Debug for DynCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct("DynCell");
        all.field("path", &self.path());
        match self.get() {
            Ok(value) => all.field("value", &format_args!("{value}")),
            Err(error) => all.field("error", &format_args!("{error}")),
        };
        all.finish()
    }
}
