//! Bytes with a layout, and reading them as a value.

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::{Ordering, fence};

use super::DynValue;
use super::name::Name;
use crate::access::ReadOnly;
use crate::cell::{Leaf, ShmCell, copy};
use crate::collections::read_text;
use crate::error::InvalidValue;
use crate::layout::fingerprint::ByteOrder;
use crate::layout::{
    FieldLayout, LayoutKind, QueueLayout, Scalar, ScalarKind, SeqLockLayout, TypeLayout, meaning,
    sign_extend,
};
use crate::primitive::AtomicU64;
use crate::protocol::broadcast::{self, SlotRead};
use crate::protocol::ring;
use crate::protocol::seqlock::{self, Correct};
use crate::shm_layout::ShmLayout;
use crate::sync::seqlock_attempts;

/// One [`get`](super::DynCell::get) returns at most this many values, counting lists and structs.
const MOST_VALUES: usize = 1 << 20;

/// At most this many of them have no bytes. A schema can give an array of those any length, however short the segment is.
const MOST_EMPTY: usize = 1 << 10;

/// The names of their fields and variants have at most this many bytes: a schema has a name once, and each element repeats it.
const MOST_NAMES: usize = 1 << 26;

/// The most bytes that are copied before they are read, as those of a `SeqLock` are.
const MOST_BYTES: usize = 1 << 30;

/// Why a place was not read.
#[derive(Debug)]
pub(super) enum ReadFailed {
    Invalid(InvalidValue),
    TooLarge,
    Contended,
    /// A message that is not there, and why.
    Gone(String),
}

impl ReadFailed {
    /// The same one level further out.
    fn within(self, outer: std::fmt::Arguments<'_>) -> Self {
        match self {
            Self::Invalid(value) => Self::Invalid(value.within(&outer.to_string())),
            other => other,
        }
    }
}

type Result<T, E = ReadFailed> = std::result::Result<T, E>;

/// How much more may be read.
#[derive(Debug)]
pub(super) struct Budget {
    values: Cell<usize>,
    /// Those of the values that have no bytes.
    empty: Cell<usize>,
    /// Bytes of names.
    names: Cell<usize>,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self {
            values: Cell::new(MOST_VALUES),
            empty: Cell::new(MOST_EMPTY),
            names: Cell::new(MOST_NAMES),
        }
    }

    /// Takes one value of so many bytes.
    fn value(&self, size: usize) -> Result<()> {
        take(&self.values, 1)?;
        match size {
            0 => take(&self.empty, 1),
            _ => Ok(()),
        }
    }

    /// Takes more values.
    fn values(&self, count: usize) -> Result<()> {
        take(&self.values, count)
    }

    fn name(&self, name: &str) -> Result<()> {
        take(&self.names, name.len())
    }

    /// Whether as many elements of so many bytes are left. Each is a value at least.
    fn has(&self, len: usize, size: usize) -> bool {
        len <= self.values.get() && (size > 0 || len <= self.empty.get())
    }
}

fn take(from: &Cell<usize>, count: usize) -> Result<()> {
    let left = from.get().checked_sub(count).ok_or(ReadFailed::TooLarge)?;
    from.set(left);
    Ok(())
}

/// Bytes with a layout.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// # Invariants
    ///
    /// 1. For `'a`: live bytes of `layout` with `tail` elements, each leaf aligned, readable, and only accessed atomically or
    ///    not at all.
    at: *const u8,
    layout: &'static TypeLayout,
    tail: usize,
    order: ByteOrder,
    /// Whether other processes may write the bytes.
    is_shared: bool,
    budget: &'a Budget,
}

impl<'a> Place<'a> {
    /// Bytes of a segment.
    ///
    /// # Safety
    ///
    /// For `'a`, `at` points to live bytes of `layout` with `tail` elements in its trailing slice, aligned, readable, and only
    /// accessed atomically.
    pub(super) const unsafe fn shared(
        at: *const u8,
        layout: &'static TypeLayout,
        tail: usize,
        budget: &'a Budget,
    ) -> Self {
        Self {
            at,
            layout,
            tail,
            order: ByteOrder::Native,
            is_shared: true,
            budget,
        }
    }

    /// A copy of `len` values. `None` if it does not have all their bytes.
    pub(super) fn copied(
        copy: &'a [u64],
        layout: &'static TypeLayout,
        (len, tail): (usize, usize),
        order: ByteOrder,
        budget: &'a Budget,
    ) -> Option<Self> {
        let stride = layout.tail_stride().unwrap_or(0);
        let slice = stride.checked_mul(tail)?;
        let bytes = layout.size().checked_mul(len)?.checked_add(slice)?;
        (bytes <= size_of_val(copy)).then_some(Self {
            at: copy.as_ptr().cast(),
            layout,
            tail,
            order,
            is_shared: false,
            budget,
        })
    }

    /// The part of `layout` at `offset` in this place, which has one there.
    const fn part(&self, offset: usize, layout: &'static TypeLayout) -> Self {
        Self {
            at: self.at.wrapping_add(offset),
            layout,
            ..*self
        }
    }

    fn field(&self, field: &FieldLayout) -> Self {
        self.part(field.offset(), field.layout())
    }

    fn leaf<T: Leaf>(&self) -> T {
        // SAFETY: by the layout, this is a leaf of this width; it is live, aligned and readable (invariant 1). Where it is not
        // shared, nothing writes it.
        unsafe { T::load(self.at.cast_mut().cast()) }
    }

    /// The bits of a leaf of `kind`, with zeros above them.
    fn bits(&self, kind: ScalarKind) -> u128 {
        let swaps = self.order == ByteOrder::Swapped;
        macro_rules! load {
            ($ty:ty) => {{
                let bits: $ty = self.leaf();
                u128::from(if swaps { bits.swap_bytes() } else { bits })
            }};
        }
        match kind.size() {
            1 => load!(u8),
            2 => load!(u16),
            4 => load!(u32),
            8 => load!(u64),
            _ => load!(u128),
        }
    }

    /// A word, of four bytes if the layout says so and else of eight. It acquires what was released with it.
    pub(super) fn word(&self) -> u64 {
        let kind = match self.layout.size() {
            4 => ScalarKind::U32,
            _ => ScalarKind::U64,
        };
        let word = self.bits(kind) as u64;
        // Also valid through a mapping that is read-only.
        fence(Ordering::Acquire);
        word
    }

    /// Reads the value.
    pub(super) fn read(&self) -> Result<DynValue> {
        self.budget.value(self.layout.size())?;
        match self.layout.kind() {
            LayoutKind::Scalar(scalar) => self.scalar(scalar),
            LayoutKind::Enum { repr, variants } => {
                let bits = sign_extend(repr, self.bits(repr) as u64);
                match variants.iter().find(|variant| variant.bits() == bits) {
                    Some(variant) => {
                        self.budget.name(variant.name())?;
                        Ok(DynValue::Name(Cow::Borrowed(variant.name())))
                    }
                    None => Err(ReadFailed::Invalid(InvalidValue::new(self.layout, bits))),
                }
            }
            LayoutKind::Array { element, len } => self.list(element, 0, len),
            LayoutKind::Slice { element } => self.list(element, 0, self.tail),
            LayoutKind::Struct { fields, .. } => self.fields(fields),
            LayoutKind::Meaning { meaning, inner, .. } => self.meaning(meaning, inner),
            LayoutKind::Unknown { .. } => self.unknown(),
        }
    }

    /// Reads the bytes of a type of a later format.
    fn unknown(&self) -> Result<DynValue> {
        let size = self.layout.size();
        self.budget.values(size.div_ceil(size_of::<u64>()))?;
        let mut copy = Self::room(self.layout, None)?;
        // SAFETY: by the layout, these are words of one width; they are live, aligned and readable (invariant 1). Where they are not
        // shared, nothing writes them. The copy is private and has room for them.
        unsafe { copy::read_values(copy.as_mut_ptr().cast(), self.at, self.layout, 1) };
        let bytes: &[u8] = bytemuck::cast_slice(&copy);
        Ok(DynValue::Bytes(bytes[..size].to_vec()))
    }

    /// Reads the value, or a list of `len` values of which it is the first.
    pub(super) fn read_all(&self, len: Option<usize>) -> Result<DynValue> {
        match len {
            None => self.read(),
            Some(len) => self.list(self.layout, 0, len),
        }
    }

    fn scalar(&self, scalar: Scalar) -> Result<DynValue> {
        let kind = scalar.kind();
        let bits = self.bits(kind);
        if scalar.is_atomic() {
            fence(Ordering::Acquire);
        }
        Ok(match kind {
            ScalarKind::U8
            | ScalarKind::U16
            | ScalarKind::U32
            | ScalarKind::U64
            | ScalarKind::U128 => bits.into(),
            ScalarKind::I128 => bits.cast_signed().into(),
            ScalarKind::I8 | ScalarKind::I16 | ScalarKind::I32 | ScalarKind::I64 => {
                sign_extend(kind, bits as u64).cast_signed().into()
            }
            ScalarKind::F32 => f32::from_bits(bits as u32).into(),
            ScalarKind::F64 => f64::from_bits(bits as u64).into(),
            ScalarKind::Bool => (bits != 0).into(),
            ScalarKind::Char => match char::from_u32(bits as u32) {
                Some(char) => char.into(),
                None => {
                    let value = InvalidValue::new(self.layout, bits as u64);
                    return Err(ReadFailed::Invalid(value));
                }
            },
        })
    }

    /// Reads `len` elements, the first of which is at `from`.
    fn list(&self, element: &'static TypeLayout, from: usize, len: usize) -> Result<DynValue> {
        if !self.budget.has(len, element.size()) {
            return Err(ReadFailed::TooLarge);
        }
        let mut elements = Vec::with_capacity(len);
        for number in 0..len {
            let place = self.part(from + number * element.size(), element);
            let value = place.read();
            elements.push(value.map_err(|failed| failed.within(format_args!("[{number}]")))?);
        }
        Ok(DynValue::List(elements))
    }

    fn fields(&self, fields: &'static [FieldLayout]) -> Result<DynValue> {
        let values = fields.iter().map(|field| {
            self.budget.name(field.name())?;
            let value = self.field(field).read();
            match value {
                Ok(value) => Ok((Cow::Borrowed(field.name()), value)),
                Err(failed) => Err(failed.within(format_args!(".{}", Name(field.name())))),
            }
        });
        values.collect::<Result<_>>().map(DynValue::Struct)
    }

    fn meaning(&self, meaning: &str, inner: &'static TypeLayout) -> Result<DynValue> {
        match meaning {
            meaning::STR => Ok(self.text(inner.size())),
            meaning::OFFSET => self.part(0, inner).read(),
            meaning::VEC => match self.layout.as_vec() {
                Some(vec) => {
                    let len = self.part(0, u64::LAYOUT).word();
                    match vec.checked_len(len) {
                        Some(len) => self.list(vec.element, vec.items, len),
                        None => Err(ReadFailed::Invalid(InvalidValue::new(self.layout, len))),
                    }
                }
                None => self.part(0, inner).read(),
            },
            meaning::MUTEX | meaning::SLOT => match inner.fields() {
                [.., value] => self.field(value).read(),
                [] => self.part(0, inner).read(),
            },
            meaning::SEQLOCK => match self.layout.as_seqlock() {
                Some(lock) => self.committed(&lock, 0, lock.value, None),
                None => self.part(0, inner).read(),
            },
            // Their words. The slots are many, and most hold messages that were received long ago.
            meaning::RING | meaning::BROADCAST => match inner.fields() {
                [words @ .., _] => self.fields(words),
                [] => self.part(0, inner).read(),
            },
            _ => self.part(0, inner).read(),
        }
    }

    /// Reads the text in an array of `capacity` bytes.
    fn text(&self, capacity: usize) -> DynValue {
        let at = self.at.cast::<ShmCell<u8, ReadOnly>>();
        // SAFETY: the layout has as many bytes there: live, readable, and only accessed atomically (invariant 1).
        let bytes = unsafe { std::slice::from_raw_parts(at, capacity) };
        match String::from_utf8(read_text(bytes)) {
            Ok(text) => DynValue::Str(text),
            Err(error) => DynValue::Bytes(error.into_bytes()),
        }
    }

    /// Reads a part of the value that a sequence lock has committed: the one of `layout` at `offset` in it, or `len` elements
    /// of `layout` from there on. This place is the lock.
    pub(super) fn committed(
        &self,
        lock: &SeqLockLayout,
        offset: usize,
        layout: &'static TypeLayout,
        len: Option<usize>,
    ) -> Result<DynValue> {
        if !self.is_shared {
            let version = self.part(lock.version, u64::LAYOUT);
            let at = lock.value_offset(version.word()) + offset;
            return self.part(at, layout).read_all(len);
        }
        let (_, copy) = self.committed_copy(lock, offset, layout, len)?;
        self.of_copy(&copy, layout).read_all(len)
    }

    /// The version of a lock in shared memory, and a copy of what [`committed`](Self::committed) reads.
    pub(super) fn committed_copy(
        &self,
        lock: &SeqLockLayout,
        offset: usize,
        layout: &'static TypeLayout,
        len: Option<usize>,
    ) -> Result<(u64, Vec<u64>)> {
        let version = self.part(lock.version, u64::LAYOUT);
        let mut copy = Self::room(layout, len)?;
        // SAFETY: the lock's layout has its version there: live, aligned, and only accessed atomically (invariant 1).
        let word = unsafe { &*version.at.cast::<AtomicU64>() };
        for _ in 0..seqlock_attempts(size_of_val(&*copy)) {
            let attempt = seqlock::try_read::<Correct<ReadOnly>, _>(word, lock.slots, |slot| {
                let from = self.at.wrapping_add(lock.slot_offset(slot) + offset);
                let to = copy.as_mut_ptr().cast();
                // SAFETY: the slot's value has these values at the offset: live, aligned, and only accessed atomically
                // (invariant 1). The copy is private and has room for them.
                unsafe { copy::read_values(to, from, layout, len.unwrap_or(1)) };
            });
            if let Some((version, ())) = attempt {
                return Ok((version, copy));
            }
            std::hint::spin_loop();
        }
        Err(ReadFailed::Contended)
    }

    /// Private memory for values.
    fn room(layout: &TypeLayout, len: Option<usize>) -> Result<Vec<u64>> {
        let bytes = layout.size() * len.unwrap_or(1);
        if bytes > MOST_BYTES {
            return Err(ReadFailed::TooLarge);
        }
        Ok(vec![0; bytes.div_ceil(size_of::<u64>())])
    }

    /// A private copy of values of this layout, which must have all of their bytes.
    const fn of_copy<'b>(&self, copy: &'b [u64], layout: &'static TypeLayout) -> Place<'b>
    where
        'a: 'b,
    {
        Place {
            at: copy.as_ptr().cast(),
            layout,
            tail: 0,
            order: self.order,
            is_shared: false,
            budget: self.budget,
        }
    }

    /// Reads a part of a message, as [`committed`](Self::committed) reads a part of a value. This place is the queue.
    pub(super) fn message(
        &self,
        queue: &QueueLayout,
        number: u64,
        (offset, layout, len): (usize, &'static TypeLayout, Option<usize>),
    ) -> Result<DynValue> {
        let mut copy = Self::room(layout, len)?;
        self.counters(queue).slot(queue.slots, number, |slot| {
            let from = queue.first + slot * queue.element.size() + offset;
            let (from, to) = (self.at.wrapping_add(from), copy.as_mut_ptr().cast());
            // SAFETY: the slot has these values at the offset: live, aligned, and only accessed atomically (invariant 1). The copy is
            // private and has room for them.
            unsafe { copy::read_values(to, from, layout, len.unwrap_or(1)) };
        })?;
        self.of_copy(&copy, layout).read_all(len)
    }

    /// The counters of this queue, which is in shared memory.
    pub(super) fn counters(&self, queue: &QueueLayout) -> Counters<'_> {
        let at = self.at.wrapping_add(queue.counters);
        if queue.is_ring {
            // SAFETY: the layout has these words there, as the library's own type has them: live, aligned, and only accessed
            // atomically (invariant 1).
            Counters::Ring(unsafe { &*at.cast() })
        } else {
            // SAFETY: as above.
            Counters::Broadcast(unsafe { &*at.cast() })
        }
    }
}

/// The words of a queue that count its messages.
pub(super) enum Counters<'a> {
    Ring(&'a ring::Counters),
    Broadcast(&'a broadcast::Counters),
}

impl Counters<'_> {
    /// Calls `copy` with the slot of a message, and returns its result if the message was there all the time.
    pub(super) fn slot<R>(
        &self,
        slots: usize,
        number: u64,
        copy: impl FnOnce(usize) -> R,
    ) -> Result<R> {
        let not_sent = |sent| {
            Err(ReadFailed::Gone(format!(
                "{sent} messages have been sent, and the first is number 0"
            )))
        };
        match self {
            Self::Ring(counters) => {
                match ring::look::<ring::Correct, _>(counters, slots as u64, number, copy) {
                    ring::Look::Message(result) => Ok(result),
                    ring::Look::NotSent(sent) => not_sent(sent),
                    ring::Look::Received(received) => Err(ReadFailed::Gone(format!(
                        "it was received; the next to be received is number {received}"
                    ))),
                }
            }
            Self::Broadcast(counters) => {
                type Correct = broadcast::Correct<ReadOnly>;

                let mut cursor = number;
                match broadcast::receive::<Correct, _>(counters, slots, &mut cursor, copy) {
                    SlotRead::Message(result) => Ok(result),
                    SlotRead::Empty => not_sent(broadcast::tail::<Correct>(counters)),
                    SlotRead::Lost(_) => Err(ReadFailed::Gone(format!(
                        "it was overwritten; the oldest message is number {cursor}"
                    ))),
                }
            }
        }
    }

    /// How many messages have been received and sent. A broadcast does not count what is received.
    pub(super) fn counts(&self) -> (u64, u64) {
        match self {
            Self::Ring(counters) => ring::counts::<ring::Correct>(counters, false),
            Self::Broadcast(counters) => {
                (0, broadcast::tail::<broadcast::Correct<ReadOnly>>(counters))
            }
        }
    }

    /// The numbers of the messages that are there.
    pub(super) fn present(&self, slots: usize) -> Range<u64> {
        match self {
            Self::Ring(counters) => ring::present::<ring::Correct>(counters, slots as u64),
            Self::Broadcast(counters) => {
                type Correct = broadcast::Correct<ReadOnly>;

                let oldest = broadcast::oldest::<Correct>(counters, slots);
                oldest..broadcast::tail::<Correct>(counters).max(oldest)
            }
        }
    }
}
