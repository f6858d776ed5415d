//! Images: the bytes of a payload as they would be if all processes had left at this moment.
//!
//! Everything is copied with one atomic access per leaf, and protocols decide what is whole: of a `SeqLock` its committed value, of a
//! queue the messages that are there. Claims are released, and nobody waits. A `Mutex` that is held has an owner that died.

use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{Ordering, fence};

use super::DynCell;
use crate::cell::copy;
use crate::dynamic::error::DynError;
use crate::dynamic::place::Budget;
use crate::dynamic::segment::Memory;
use crate::dynamic::sink::{Sink, Stream};
use crate::layout::{
    AccessWidth, FieldLayout, LayoutKind, QueueLayout, SeqLockLayout, TypeLayout, meaning,
};
use crate::primitive::AtomicU64;
use crate::protocol::{barrier, claim_word, event, eventcount, semaphore};
use crate::shm_layout::ShmLayout;

/// How often a queue is copied before its sender counts as too fast.
const ATTEMPTS: usize = 64;
/// How many bytes are copied at once, if they need not be.
const CHUNK: usize = 64 << 10;
/// Less than this has no hole that would be worth two system calls.
const PAGE: usize = 4096;

/// Why an image was not written.
pub(super) enum ImageFailed {
    Cell(DynError),
    Io(io::Error),
}

impl From<DynError> for ImageFailed {
    fn from(error: DynError) -> Self {
        Self::Cell(error)
    }
}

impl From<io::Error> for ImageFailed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

type Result<T = (), E = ImageFailed> = std::result::Result<T, E>;

impl DynCell {
    /// Writes the image of the whole payload. This cell is the whole payload.
    pub(in crate::dynamic) fn write_image(&self, to: &mut dyn Sink) -> io::Result<()> {
        let mut image = Image {
            cell: self,
            to,
            at: 0,
            known: Known::default(),
        };
        let layout = self.part.layout;
        let tail = layout.tail_stride().unwrap_or(0) * self.handle.tail();
        let written = image.value(0, layout);
        written
            .and_then(|()| image.zeros_up_to(layout.size() + tail))
            .map_err(|failed| match failed {
                ImageFailed::Cell(error) => io::Error::other(error),
                ImageFailed::Io(error) => error,
            })
    }
}

struct Image<'a> {
    cell: &'a DynCell,
    to: &'a mut dyn Sink,
    /// How many bytes have been written.
    at: usize,
    known: Known,
}

/// What was found out about types, each of which may have many values. Layouts are never freed.
#[derive(Default)]
struct Known {
    /// By the first field and their number.
    in_order: HashMap<(*const FieldLayout, usize), Rc<[&'static FieldLayout]>>,
    plain: HashMap<*const TypeLayout, bool>,
}

impl Known {
    /// The fields that have bytes, in the order of their offsets.
    fn in_order(&mut self, fields: &'static [FieldLayout]) -> Rc<[&'static FieldLayout]> {
        let in_order = self.in_order.entry((fields.as_ptr(), fields.len()));
        let in_order = in_order.or_insert_with(|| {
            let is_slice =
                |of: &FieldLayout| matches!(of.layout().kind(), LayoutKind::Slice { .. });
            let has_bytes = |of: &&FieldLayout| of.layout().size() > 0 || is_slice(of);
            let mut in_order: Vec<&FieldLayout> = fields.iter().filter(has_bytes).collect();
            in_order.sort_by_key(|field| field.offset());
            in_order.into()
        });
        Rc::clone(in_order)
    }

    /// Whether values consist of nothing but leaves that are copied as they are.
    fn is_plain(&mut self, layout: &'static TypeLayout) -> bool {
        let is_plain = match layout.kind() {
            LayoutKind::Scalar(_) | LayoutKind::Enum { .. } => return true,
            // Of the bytes that are unknown there may be many.
            LayoutKind::Slice { .. } | LayoutKind::Unknown { .. } => return false,
            // The parts of the others are written one by one.
            LayoutKind::Meaning { meaning, .. } => {
                return matches!(meaning, meaning::STR | meaning::OFFSET);
            }
            _ if self.plain.contains_key(&std::ptr::from_ref(layout)) => {
                return self.plain[&std::ptr::from_ref(layout)];
            }
            LayoutKind::Array { element, .. } => self.is_plain(element),
            LayoutKind::Struct { fields, .. } => {
                !layout.has_gaps() && fields.iter().all(|field| self.is_plain(field.layout()))
            }
        };
        self.plain.insert(layout, is_plain);
        is_plain
    }
}

impl Image<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result {
        self.to.bytes(bytes)?;
        self.at += bytes.len();
        Ok(())
    }

    /// Writes zeros for the bytes before `offset` that belong to no field.
    fn zeros_up_to(&mut self, offset: usize) -> Result {
        if self.at < offset {
            self.to.zeros(offset - self.at)?;
            self.at = offset;
        }
        Ok(())
    }

    /// Copies `count` values without gaps.
    fn copy(&self, offset: usize, layout: &'static TypeLayout, count: usize) -> Result<Vec<u64>> {
        let cell = self.cell;
        let segment = match &cell.handle.memory {
            Memory::Mapped(segment) => segment,
            Memory::File(dump) => return Ok(cell.copy(dump, offset, layout, (count, 0))?),
        };
        let mut copy = vec![0_u64; (layout.size() * count).div_ceil(size_of::<u64>())];
        let from = segment.payload().cast::<u8>().wrapping_add(offset);
        // SAFETY: the payload lives as long as the handle, and its layout has these values at the offset: aligned, and only accessed
        // atomically. The copy is private and has room for them.
        unsafe { copy::read_values(copy.as_mut_ptr().cast(), from, layout, count) };
        Ok(copy)
    }

    /// Writes `count` values that follow each other.
    fn values(&mut self, offset: usize, layout: &'static TypeLayout, count: usize) -> Result {
        let size = layout.size();
        if size == 0 {
            return Ok(());
        }
        // Any other value that is zeros, as one in a hole is, is so when all processes have left.
        let is_plain = size <= CHUNK && self.known.is_plain(layout);
        let mut done = 0;
        // Of the values that follow: how many begin and end in a hole, and how many after them do not.
        let (mut zeros, mut others) = (0, 0);
        while done < count {
            let at = offset + done * size;
            if zeros == 0 && others == 0 {
                (zeros, others) = self.hole_and_data(at, size, count - done);
            }
            if zeros > 0 {
                self.zeros_up_to(at + zeros * size)?;
                done += zeros;
                zeros = 0;
                continue;
            }
            if !is_plain {
                self.value(at, layout)?;
                done += 1;
                others -= 1;
                continue;
            }
            let now = (CHUNK / size).min(others);
            let copy = self.copy(at, layout, now)?;
            self.write(&bytemuck::cast_slice(&copy)[..now * size])?;
            done += now;
            others -= now;
        }
        Ok(())
    }

    /// Of `count` values at an offset: how many are in a hole of the file, and how many that follow are not. Not both are 0.
    fn hole_and_data(&self, offset: usize, size: usize, count: usize) -> (usize, usize) {
        if size * count < PAGE {
            return (0, count);
        }
        let (hole, data) = match &self.cell.handle.memory {
            Memory::Mapped(segment) => segment.hole_and_data(offset),
            Memory::File(dump) => dump.hole_and_data(offset),
        };
        let limited = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let zeros = (limited(hole) / size).min(count);
        let others = limited(hole.saturating_add(data)).div_ceil(size) - zeros;
        match zeros {
            0 => (0, others.clamp(1, count)),
            _ => (zeros, others.min(count - zeros)),
        }
    }

    /// Writes the value at an offset in the payload.
    fn value(&mut self, offset: usize, layout: &'static TypeLayout) -> Result {
        match layout.kind() {
            LayoutKind::Scalar(_) | LayoutKind::Enum { .. } => self.values(offset, layout, 1),
            LayoutKind::Array { element, len } => self.values(offset, element, len),
            LayoutKind::Slice { element } => self.values(offset, element, self.cell.handle.tail()),
            LayoutKind::Struct { fields, .. } => self.fields(offset, layout, fields, ""),
            LayoutKind::Meaning { meaning, inner, .. } => match meaning {
                meaning::SEQLOCK => match layout.as_seqlock() {
                    Some(lock) => self.seqlock(offset, layout, inner, &lock),
                    None => self.value(offset, inner),
                },
                meaning::RING | meaning::BROADCAST => match layout.as_queue() {
                    Some(queue) => self.queue(offset, layout, inner, &queue),
                    None => self.value(offset, inner),
                },
                meaning::MUTEX | meaning::SEMAPHORE | meaning::EVENT | meaning::BARRIER => {
                    self.fields(offset, inner, inner.fields(), meaning)
                }
                _ => self.value(offset, inner),
            },
            LayoutKind::Unknown { .. } => {
                let word = unknown_word(layout);
                self.values(offset, word, layout.size() / word.size())
            }
        }
    }

    /// Writes the fields of a struct, or the parts of a type of this library with this `meaning`.
    fn fields(
        &mut self,
        offset: usize,
        layout: &TypeLayout,
        fields: &'static [FieldLayout],
        meaning: &str,
    ) -> Result {
        for field in self.known.in_order(fields).iter() {
            let at = offset + field.offset();
            self.zeros_up_to(at)?;
            match field.layout().kind() {
                LayoutKind::Scalar(scalar) if scalar.is_atomic() && !meaning.is_empty() => {
                    let word = self.cell.word(at, field.layout())?;
                    self.word(at_rest(meaning, field.name(), word), field.layout())?;
                }
                LayoutKind::Array { element, len } if meaning == meaning::BARRIER => {
                    for seat in 0..len {
                        let at = at + seat * element.size();
                        self.fields(at, element, element.fields(), SEAT)?;
                    }
                }
                _ => self.value(at, field.layout())?,
            }
        }
        self.zeros_up_to(offset + layout.size())
    }

    /// Writes a word of four or eight bytes.
    fn word(&mut self, word: u64, layout: &TypeLayout) -> Result {
        match layout.size() {
            4 => self.write(&(word as u32).to_ne_bytes()),
            _ => self.write(&word.to_ne_bytes()),
        }
    }

    /// Writes the words of a type of this library that come before its slots: those of `known` have these values.
    fn words(
        &mut self,
        (offset, layout, inner): (usize, &TypeLayout, &'static TypeLayout),
        known: &[(&str, u64)],
    ) -> Result {
        let LayoutKind::Meaning { meaning, .. } = layout.kind() else {
            return Ok(());
        };
        let [words @ .., _] = inner.fields() else {
            return Ok(());
        };
        for field in self.known.in_order(words).iter() {
            let at = offset + field.offset();
            self.zeros_up_to(at)?;
            let known = known.iter().find(|(name, _)| *name == field.name());
            let word = match known {
                Some((_, word)) => *word,
                None => {
                    let word = self.cell.word(at, field.layout())?;
                    at_rest(meaning, field.name(), word)
                }
            };
            self.word(word, field.layout())?;
        }
        Ok(())
    }

    /// Writes a lock with its committed value only.
    fn seqlock(
        &mut self,
        offset: usize,
        layout: &'static TypeLayout,
        inner: &'static TypeLayout,
        lock: &SeqLockLayout,
    ) -> Result {
        let cell = self.cell;
        let (version, value) = match &cell.handle.memory {
            Memory::Mapped(_) => {
                let budget = Budget::new();
                let place = cell.place_at(offset, layout, &budget);
                let copied = place.committed_copy(lock, 0, lock.value, None);
                copied.map_err(|failed| cell.failed(failed))?
            }
            Memory::File(_) => {
                let version = cell.word(offset + lock.version, AtomicU64::LAYOUT)?;
                let at = offset + lock.value_offset(version);
                (version, self.copy(at, lock.value, 1)?)
            }
        };
        self.words((offset, layout, inner), &[("version", version)])?;
        self.zeros_up_to(offset + lock.value_offset(version))?;
        self.write(&bytemuck::cast_slice(&value)[..lock.value.size()])?;
        self.zeros_up_to(offset + layout.size())
    }

    /// Writes a queue with the messages that are there.
    fn queue(
        &mut self,
        offset: usize,
        layout: &'static TypeLayout,
        inner: &'static TypeLayout,
        queue: &QueueLayout,
    ) -> Result {
        let cell = self.cell;
        let load = |name: &str| {
            let word = layout.word_offset(name).unwrap_or(0);
            cell.word(offset + word, AtomicU64::LAYOUT)
        };
        let first = offset + queue.first;
        for _ in 0..ATTEMPTS {
            let mut tail = load("tail")?;
            // It is no less after the copy, which is not made in vain.
            if !queue.is_ring && load("reserved")?.wrapping_sub(tail) > 1 {
                continue;
            }
            let slots = self.slots(first, queue)?;
            // Orders the copy before what follows, as where one message is read.
            fence(Ordering::Acquire);
            let (name, other) = if queue.is_ring {
                let head = load("head")?;
                // If more was received meanwhile than was counted, nothing is there.
                tail = tail.max(head);
                ("head", head)
            } else {
                let reserved = load("reserved")?;
                // One message may be on its way, which has overwritten another.
                if reserved.wrapping_sub(tail) > 1 {
                    continue;
                }
                ("reserved", reserved)
            };
            self.words((offset, layout, inner), &[("tail", tail), (name, other)])?;
            self.zeros_up_to(first)?;
            self.write(&slots)?;
            return self.zeros_up_to(offset + layout.size());
        }
        let path = cell.path().to_owned();
        Err(ImageFailed::Cell(DynError::Contended { path }))
    }

    /// The image of all slots of a queue.
    fn slots(&mut self, first: usize, queue: &QueueLayout) -> Result<Vec<u8>> {
        let mut slots = Vec::new();
        let mut image = Image {
            cell: self.cell,
            to: &mut Stream(&mut slots),
            at: first,
            known: std::mem::take(&mut self.known),
        };
        let written = image.values(first, queue.element, queue.slots);
        self.known = image.known;
        written.map(|()| slots)
    }
}

/// The meaning of a seat of a barrier, which has none in a schema.
const SEAT: &str = "seat";

/// A word of a type of this library as it is when all processes have left.
fn at_rest(meaning: &str, name: &str, word: u64) -> u64 {
    let half = word as u32;
    let half = match (meaning, name) {
        (meaning::MUTEX, "claim") => claim_word::abandoned(half),
        (SEAT, "claim") => claim_word::left(half),
        (meaning::SEQLOCK | meaning::BROADCAST, "claim") => 0,
        (meaning::RING, "sender" | "receiver") => 0,
        (meaning::SEQLOCK, "changed")
        | (meaning::BROADCAST, "arrived")
        | (meaning::RING, "data" | "room")
        | (meaning::BARRIER, "left") => eventcount::at_rest(half),
        (meaning::BARRIER, "round") => barrier::at_rest(half),
        (meaning::SEMAPHORE, "word") => semaphore::at_rest(half),
        (meaning::EVENT, "word") => return event::at_rest(word),
        _ => return word,
    };
    half.into()
}

/// The words that the bytes of a type of a later format are copied as.
fn unknown_word(layout: &TypeLayout) -> &'static TypeLayout {
    match layout.uniform_width() {
        Some(AccessWidth::W8) => u64::LAYOUT,
        Some(AccessWidth::W4) => u32::LAYOUT,
        Some(AccessWidth::W2) => u16::LAYOUT,
        // One without bytes has no width.
        Some(AccessWidth::W1) | None => u8::LAYOUT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::test_layouts::{U8, U32};
    use crate::layout::with_offsets;

    #[test]
    fn fields_without_bytes_are_left_out() {
        const NOTHING: &TypeLayout = &TypeLayout::array(U32, 0);
        const FIELDS: &[FieldLayout] = &with_offsets([
            FieldLayout::new("none", NOTHING),
            FieldLayout::new("some", U8),
            FieldLayout::new("more", NOTHING),
            FieldLayout::new("list", const { &TypeLayout::slice(U32) }),
        ]);
        let fields = Known::default().in_order(FIELDS);
        let names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
        // The elements of a slice have bytes, which its size does not count.
        assert_eq!(names, ["some", "list"]);
    }
}
