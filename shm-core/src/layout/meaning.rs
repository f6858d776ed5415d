//! The meanings of this library's types, and how code that walks layouts interprets them.

use super::{LayoutKind, TypeLayout};

/// Text in a C `char[N]`.
pub(crate) const STR: &str = "str";
/// A length, and an array of capacity elements.
pub(crate) const VEC: &str = "vec";
/// The position of a value in the same segment.
pub(crate) const OFFSET: &str = "offset";
/// A lock and the value that it protects.
pub(crate) const MUTEX: &str = "mutex";
/// Several slots for a value, one of them current.
pub(crate) const SEQLOCK: &str = "seqlock";
/// A queue with one sender and one receiver.
pub(crate) const RING: &str = "ring";
/// A queue with one sender and any number of receivers, which may miss messages.
pub(crate) const BROADCAST: &str = "broadcast";
/// A count of permits.
pub(crate) const SEMAPHORE: &str = "semaphore";
/// A count of notifications.
pub(crate) const EVENT: &str = "event";
/// A barrier for a fixed number of participants.
pub(crate) const BARRIER: &str = "barrier";
/// A slot for a value, padded to cache lines.
pub(crate) const SLOT: &str = "slot";

/// The Rust name of a type `Name<T, N>` whose parts end in an array of `N` slots for a `T`.
pub(crate) fn slotted_type_name(meaning: &str) -> Option<&'static str> {
    match meaning {
        SEQLOCK => Some("SeqLock"),
        RING => Some("Ring"),
        BROADCAST => Some("Broadcast"),
        _ => None,
    }
}

/// The least number of slots, or of seats, that a type of this library can have.
pub(crate) const fn least_slots(meaning: &str) -> usize {
    match meaning.as_bytes() {
        b"seqlock" => 3,
        b"ring" | b"broadcast" | b"barrier" => 1,
        _ => 0,
    }
}

/// Whether a type of this library is unusable: see [`unusable_reason`].
pub(crate) const fn is_unusable(meaning: &str, inner: &TypeLayout) -> bool {
    unusable_reason(meaning, inner).is_some()
}

/// Why a type of this library is unusable, and what to write instead: it has no capacity, too few slots, or values that
/// cannot be moved. An error message.
pub(crate) const fn unusable_reason(meaning: &str, inner: &TypeLayout) -> Option<&'static str> {
    let reason = match meaning.as_bytes() {
        // The values of a `SeqLock` and a `Broadcast` are `Copy`, which a struct with gaps never is.
        b"ring" if inner.has_gaps() => {
            return Some(
                "a `Ring` moves its messages as a whole, which a struct with `#[shm(padding)]` does not allow; fill the gaps \
                 of the struct with fields",
            );
        }
        b"seqlock" => {
            "a `SeqLock` needs at least 3 slots: one is current, one is being written, and one may still have readers; \
             write `SeqLock<T>` for 4 slots"
        }
        b"ring" => "a `Ring` needs room for at least one message; write `Ring<T, 1>`, or more",
        b"broadcast" => {
            "a `Broadcast` needs room for at least one message; write `Broadcast<T, 1>`, or more"
        }
        b"barrier" => "a `Barrier` needs at least one participant; write `Barrier<2>` for two",
        _ if inner.size() > 0 => return None,
        b"slot" => {
            return Some(
                "a `SeqLock` of a zero-sized value has nothing to share; store a number in it, or use an `Event`",
            );
        }
        // Of the other types only a `ShmStr<0>` is empty.
        _ => return Some("a `ShmStr<0>` has no capacity; give it at least one byte"),
    };
    match inner.fields().last() {
        Some(slots) => match slots.layout().kind() {
            LayoutKind::Array { len, .. } if len < least_slots(meaning) => Some(reason),
            _ => None,
        },
        None => None,
    }
}

/// The parts of a vector's layout.
#[derive(Clone, Copy)]
pub(crate) struct VecLayout {
    pub(crate) element: &'static TypeLayout,
    /// The capacity in elements.
    pub(crate) capacity: usize,
    /// The offset of the first element from the start of the vector, which is its length.
    pub(crate) items: usize,
}

impl VecLayout {
    /// Returns `len`, which a peer may have written, if it does not exceed the capacity.
    pub(crate) fn checked_len(&self, len: u64) -> Option<usize> {
        usize::try_from(len)
            .ok()
            .filter(|len| *len <= self.capacity)
    }
}

/// The parts of a sequence lock's layout.
#[derive(Clone, Copy)]
pub(crate) struct SeqLockLayout {
    pub(crate) value: &'static TypeLayout,
    /// The number of slots. Never 0.
    pub(crate) slots: usize,
    /// The offset of the version.
    pub(crate) version: usize,
    /// The offset of the value in the first slot.
    first: usize,
    /// The distance from one slot to the next.
    stride: usize,
}

impl SeqLockLayout {
    /// The offset of the slot's value for a version, which may be any number.
    pub(crate) fn value_offset(&self, version: u64) -> usize {
        self.slot_offset((version % self.slots as u64) as usize)
    }

    /// The offset of the value in a slot.
    pub(crate) const fn slot_offset(&self, slot: usize) -> usize {
        self.first + slot * self.stride
    }
}

/// The parts of the layout of a ring or a broadcast.
#[derive(Clone, Copy)]
pub(crate) struct QueueLayout {
    pub(crate) element: &'static TypeLayout,
    /// The number of slots. Never 0.
    pub(crate) slots: usize,
    /// The offset of the first of the words that count messages.
    pub(crate) counters: usize,
    /// The offset of the first slot.
    pub(crate) first: usize,
    /// Whether it is a ring, and not a broadcast.
    pub(crate) is_ring: bool,
}

impl TypeLayout {
    /// The parts of a ring or a broadcast, or `None` for any other type.
    pub(crate) fn as_queue(&self) -> Option<QueueLayout> {
        let LayoutKind::Meaning { meaning, inner, .. } = self.kind() else {
            return None;
        };
        let (is_ring, counters) = match meaning {
            RING => (true, "tail"),
            BROADCAST => (false, "reserved"),
            _ => return None,
        };
        let slots = inner.fields().last()?;
        match slots.layout().kind() {
            LayoutKind::Array { element, len } if len > 0 => Some(QueueLayout {
                element,
                slots: len,
                counters: self.word_offset(counters)?,
                first: slots.offset(),
                is_ring,
            }),
            _ => None,
        }
    }

    /// The parts of a sequence lock, or `None` for any other type.
    pub(crate) const fn as_seqlock(&self) -> Option<SeqLockLayout> {
        let LayoutKind::Meaning { meaning, inner, .. } = self.kind() else {
            return None;
        };
        let [_, _, version, slots] = inner.fields() else {
            return None;
        };
        let (b"seqlock", LayoutKind::Array { element, len }) =
            (meaning.as_bytes(), slots.layout().kind())
        else {
            return None;
        };
        let (1.., LayoutKind::Meaning { inner: slot, .. }) = (len, element.kind()) else {
            return None;
        };
        match slot.fields() {
            [value] => Some(SeqLockLayout {
                value: value.layout(),
                slots: len,
                version: version.offset(),
                first: slots.offset() + value.offset(),
                stride: element.size(),
            }),
            _ => None,
        }
    }

    /// The offset of a part of a type of this library, by its name.
    pub(crate) fn word_offset(&self, name: &str) -> Option<usize> {
        let LayoutKind::Meaning { inner, .. } = self.kind() else {
            return None;
        };
        let found = inner.fields().iter().find(|field| field.name() == name);
        found.map(super::FieldLayout::offset)
    }

    /// The parts of a vector, or `None` for any other type.
    pub(crate) const fn as_vec(&self) -> Option<VecLayout> {
        let LayoutKind::Meaning { meaning, inner, .. } = self.kind() else {
            return None;
        };
        let [_, items] = inner.fields() else {
            return None;
        };
        match (meaning.as_bytes(), items.layout().kind()) {
            (b"vec", LayoutKind::Array { element, len }) => Some(VecLayout {
                element,
                capacity: len,
                items: items.offset(),
            }),
            _ => None,
        }
    }

    /// Whether a value of this type, with `tail` elements in its trailing slice, has a cell of type `wanted` at offset `at`.
    ///
    /// Cells of equal layouts are accessed with the same widths, whatever the names of the types. The parts of this
    /// library's types do not count, except the elements of vectors, because writing to them could break the types.
    pub(crate) fn has_cell_at(&self, at: usize, tail: usize, wanted: &Self) -> bool {
        !wanted.is_refused() && self.has_at(at, tail, wanted)
    }

    fn has_at(&self, at: usize, tail: usize, wanted: &Self) -> bool {
        if at == 0 && self.is_same(wanted) {
            return true;
        }
        match self.kind() {
            LayoutKind::Scalar(_) | LayoutKind::Enum { .. } | LayoutKind::Unknown { .. } => false,
            LayoutKind::Array { element, len } => element.elements_hold(len, at, wanted),
            LayoutKind::Slice { element } => element.elements_hold(tail, at, wanted),
            LayoutKind::Meaning { .. } => self.as_vec().is_some_and(|vec| {
                at.checked_sub(vec.items)
                    .is_some_and(|at| vec.element.elements_hold(vec.capacity, at, wanted))
            }),
            // Zero-sized fields share their offset with other fields, so all fields at the offset are candidates.
            LayoutKind::Struct { fields, .. } => fields.iter().any(|field| {
                at.checked_sub(field.offset()).is_some_and(|at| {
                    let reached = at == 0
                        || at < field.layout().size()
                        || field.layout().tail_stride().is_some();
                    reached && field.layout().has_at(at, tail, wanted)
                })
            }),
        }
    }

    /// [`has_at`](Self::has_at) for an array of `len` values of this type.
    fn elements_hold(&self, len: usize, at: usize, wanted: &Self) -> bool {
        match at.checked_div(self.size()) {
            Some(number) => number < len && self.has_at(at % self.size(), 0, wanted),
            // Zero-sized elements all have the same offset.
            None => len > 0 && self.has_at(at, 0, wanted),
        }
    }

    /// Whether both layouts describe the same bytes with the same names.
    ///
    /// Fingerprints are compared first, but since names can be chosen to make them collide, equal ones are not enough: all
    /// parts are compared too. That all accesses to a byte have the same width depends on this.
    fn is_same(&self, other: &Self) -> bool {
        // Usually both are the same constant.
        std::ptr::eq(self, other)
            || self.fingerprint() == other.fingerprint()
                && self.size() == other.size()
                && self.align() == other.align()
                && self.has_same_parts(other)
    }

    fn has_same_parts(&self, other: &Self) -> bool {
        match (self.kind(), other.kind()) {
            (LayoutKind::Scalar(a), LayoutKind::Scalar(b)) => a == b,
            (
                LayoutKind::Array { element, len },
                LayoutKind::Array {
                    element: of_other,
                    len: other_len,
                },
            ) => len == other_len && element.is_same(of_other),
            (LayoutKind::Slice { element }, LayoutKind::Slice { element: of_other }) => {
                element.is_same(of_other)
            }
            (
                LayoutKind::Enum { repr, variants },
                LayoutKind::Enum {
                    repr: other_repr,
                    variants: of_other,
                },
            ) => repr == other_repr && variants == of_other,
            (
                LayoutKind::Meaning { meaning, inner, .. },
                LayoutKind::Meaning {
                    meaning: other_meaning,
                    inner: of_other,
                    ..
                },
            ) => meaning == other_meaning && inner.is_same(of_other),
            (
                LayoutKind::Struct { version, fields },
                LayoutKind::Struct {
                    version: other_version,
                    fields: of_other,
                },
            ) => {
                version == other_version
                    && fields.len() == of_other.len()
                    && fields.iter().zip(of_other).all(|(a, b)| {
                        a.name() == b.name()
                            && a.offset() == b.offset()
                            && a.layout().is_same(b.layout())
                    })
            }
            _ => false,
        }
    }
}
