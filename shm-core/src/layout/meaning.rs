//! The meanings of this library's own types, and what the generic code that walks layouts makes of them.

use super::{LayoutKind, TypeLayout};

/// The text of a C `char[N]`.
pub(crate) const STR: &str = "str";
/// A length, and room for as many elements.
pub(crate) const VEC: &str = "vec";
/// A place in the same segment.
pub(crate) const OFFSET: &str = "offset";
/// A lock, and what it protects.
pub(crate) const MUTEX: &str = "mutex";
/// A value in several slots, of which one is current.
pub(crate) const SEQLOCK: &str = "seqlock";
/// A queue with one sender and one receiver.
pub(crate) const RING: &str = "ring";
/// A queue with one sender and receivers that may lose messages.
pub(crate) const BROADCAST: &str = "broadcast";
/// A count of permits.
pub(crate) const SEMAPHORE: &str = "semaphore";
/// A count of notifications.
pub(crate) const EVENT: &str = "event";
/// A place where processes meet.
pub(crate) const BARRIER: &str = "barrier";
/// One of several places for a value, and what pads it to lines of the cache.
pub(crate) const SLOT: &str = "slot";

/// The Rust name of a type whose parts end in an array of slots, as its arguments do in the number of them.
pub(crate) fn slotted_type_name(meaning: &str) -> Option<&'static str> {
    match meaning {
        SEQLOCK => Some("SeqLock"),
        RING => Some("Ring"),
        BROADCAST => Some("Broadcast"),
        _ => None,
    }
}

/// Whether nothing could be done with such a type: it has no room, or too few places.
pub(crate) const fn is_unusable(meaning: &str, inner: &TypeLayout) -> bool {
    let needed = match meaning.as_bytes() {
        b"seqlock" => 3,
        b"ring" | b"broadcast" | b"barrier" => 1,
        // No other type is empty, but a text without room.
        _ => return inner.size() == 0,
    };
    match inner.fields().last() {
        Some(places) => {
            matches!(places.layout().kind(), LayoutKind::Array { len, .. } if len < needed)
        }
        None => false,
    }
}

/// Why a type of this library that [is unusable](is_unusable) cannot be shared, and what to write instead.
pub(crate) const fn unusable_reason(meaning: &str) -> &'static str {
    match meaning.as_bytes() {
        b"seqlock" => {
            "a `SeqLock` needs at least 3 slots: one is current, one is being written, and one is for readers that have \
             begun before; write `SeqLock<T>` for 4 of them"
        }
        b"ring" => "a `Ring` needs room for at least one message; write `Ring<T, 1>`, or more",
        b"broadcast" => {
            "a `Broadcast` needs room for at least one message; write `Broadcast<T, 1>`, or more"
        }
        b"barrier" => {
            "a `Barrier` without seats is one that nobody can meet at; write `Barrier<2>` for two participants"
        }
        b"slot" => {
            "a `SeqLock` of a value without bytes has nothing to share; put a number into it, or use an `Event`"
        }
        _ => "a `ShmStr<0>` has no room for any text; give it at least one byte",
    }
}

/// What the layout of a vector says.
#[derive(Clone, Copy)]
pub(crate) struct VecLayout {
    pub(crate) element: &'static TypeLayout,
    /// How many elements there is room for.
    pub(crate) capacity: usize,
    /// Bytes from the start of the vector, where its length lies, to the first element.
    pub(crate) items: usize,
}

impl VecLayout {
    /// The length if it is one, of a number that anybody may have written.
    pub(crate) fn checked_len(&self, len: u64) -> Option<usize> {
        usize::try_from(len)
            .ok()
            .filter(|len| *len <= self.capacity)
    }
}

/// What the layout of a sequence lock says.
#[derive(Clone, Copy)]
pub(crate) struct SeqLockLayout {
    pub(crate) value: &'static TypeLayout,
    /// How many slots there are: never 0.
    slots: usize,
    /// Bytes from the start of the lock to its version.
    pub(crate) version: usize,
    /// Bytes from the start of the lock to the first slot.
    first: usize,
    /// Bytes from one slot to the next.
    stride: usize,
}

impl SeqLockLayout {
    /// Bytes from the start of the lock to the value of a version, which may be any number.
    pub(crate) fn value_offset(&self, version: u64) -> usize {
        self.first + (version % self.slots as u64) as usize * self.stride
    }
}

impl TypeLayout {
    /// What a sequence lock is made of; `None` for everything else.
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

    /// What a vector is made of; `None` for everything else.
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

    /// Whether a cell of the type `wanted` begins `at` bytes behind the start of a value of this type, which has `tail`
    /// elements in its trailing slice.
    ///
    /// A cell of an equal layout there is accessed by the same widths, whatever the two types are called. The insides
    /// of this library's types are not found, since not every write of them would be one, except the elements of
    /// vectors.
    pub(crate) fn has_cell_at(&self, at: usize, tail: usize, wanted: &Self) -> bool {
        !wanted.is_refused() && self.has_at(at, tail, wanted)
    }

    fn has_at(&self, at: usize, tail: usize, wanted: &Self) -> bool {
        if at == 0 && self.is_same(wanted) {
            return true;
        }
        match self.kind() {
            LayoutKind::Scalar(_) | LayoutKind::Enum { .. } => false,
            LayoutKind::Array { element, len } => element.elements_hold(len, at, wanted),
            LayoutKind::Slice { element } => element.elements_hold(tail, at, wanted),
            LayoutKind::Meaning { .. } => self.as_vec().is_some_and(|vec| {
                at.checked_sub(vec.items)
                    .is_some_and(|at| vec.element.elements_hold(vec.capacity, at, wanted))
            }),
            // Fields of no bytes may begin where others do, so the first that begins there need not be the one.
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

    /// [`has_at`](Self::has_at) for `len` values of this type, one behind the other.
    fn elements_hold(&self, len: usize, at: usize, wanted: &Self) -> bool {
        match at.checked_div(self.size()) {
            Some(number) => number < len && self.has_at(at % self.size(), 0, wanted),
            // Elements of no bytes all lie at the same place.
            None => len > 0 && self.has_at(at, 0, wanted),
        }
    }

    /// Whether the two describe the same bytes, by the same names.
    ///
    /// Names can be found that give two layouts one fingerprint, so it only says quickly that they differ. That they do not is
    /// seen at each part: on this stands that all accesses to a byte have one width.
    fn is_same(&self, other: &Self) -> bool {
        // Mostly it is the same constant.
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
