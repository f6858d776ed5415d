//! `Debug` for cells and slices: prints the values as the type's derived `Debug` would, but shortens long arrays.

use std::cell::Cell;
use std::fmt;

use super::{Leaf, NulPadded, RawOffset, ShmCell, ShmSlice};
use crate::access::Access;
use crate::layout::{
    AccessWidth, LayoutKind, ScalarKind, TypeLayout, integer_value, meaning, sign_extend,
};
use crate::protocol::{barrier, claim_word, event, ring, semaphore};
use crate::shm_layout::ShmLayout;

/// `{:?}` shows at most this many elements of an array, slice or vector.
const ELEMENTS: usize = 64;

/// `{:?}` shows at most this many elements of all arrays, slices and vectors of a value together.
const ALL_ELEMENTS: usize = 1024;

/// A value in shared memory, together with its layout.
pub(crate) struct Value<'a> {
    /// # Invariants
    ///
    /// 1. Live for `'a`, aligned for the layout, readable, and only accessed atomically.
    at: *const u8,
    layout: &'a TypeLayout,
    /// The number of elements of the trailing slice, if the layout has one.
    tail: usize,
    /// How many more elements of arrays may be shown. Parts share it with the value that is formatted, which begins without.
    budget: Option<&'a Cell<usize>>,
}

impl<'a> Value<'a> {
    fn of<T: ShmLayout, A: Access>(cell: &'a ShmCell<T, A>) -> Self {
        Self {
            at: cell.as_ptr().cast(),
            layout: T::LAYOUT,
            tail: 0,
            budget: None,
        }
    }

    fn of_slice<T: ShmLayout, A: Access>(cells: &'a ShmSlice<T, A>) -> Self {
        Self {
            at: cells.as_ptr().cast(),
            layout: const { &TypeLayout::slice(T::LAYOUT) },
            tail: cells.len(),
            budget: None,
        }
    }

    /// The value of `layout` at `at`. `tail` is the number of elements of its trailing slice, if it has one.
    ///
    /// # Safety
    ///
    /// For `'a`, `at` points to live bytes of `layout`, aligned, readable, and only accessed atomically.
    pub(crate) unsafe fn new(at: *const u8, layout: &'a TypeLayout, tail: usize) -> Self {
        Self {
            at,
            layout,
            tail,
            budget: None,
        }
    }

    /// The part of `layout` at `offset` in this value, which must have one there.
    fn part(&self, offset: usize, layout: &'a TypeLayout) -> Self {
        Self {
            at: self.at.wrapping_add(offset),
            layout,
            // Only the last field of the outermost struct can be a slice; the other parts ignore this.
            tail: self.tail,
            budget: self.budget,
        }
    }

    /// A list of `len` elements, the first of which is at `from`.
    fn list(
        &self,
        f: &mut fmt::Formatter<'_>,
        element: &'a TypeLayout,
        from: usize,
        len: usize,
    ) -> fmt::Result {
        let is_whole = f.alternate();
        let left = || self.budget.map_or(0, Cell::get);
        let mut list = f.debug_list();
        let mut shown = 0;
        while shown < len && (is_whole || (shown < ELEMENTS && left() > 0)) {
            if let Some(budget) = self.budget {
                budget.set(left().saturating_sub(1));
            }
            list.entry(&self.part(from + shown * element.size(), element));
            shown += 1;
        }
        if shown < len {
            list.entry(&format_args!(".. {} more", len - shown));
        }
        list.finish()
    }

    /// The integer of an enum, extended to 64 bits.
    fn bits(&self, repr: ScalarKind) -> u64 {
        match repr.access_width() {
            AccessWidth::W1 => sign_extend(repr, self.leaf::<u8>().into()),
            AccessWidth::W2 => sign_extend(repr, self.leaf::<u16>().into()),
            AccessWidth::W4 => sign_extend(repr, self.leaf::<u32>().into()),
            AccessWidth::W8 => self.leaf(),
        }
    }

    fn meaning(
        &self,
        meaning: &str,
        inner: &'static TypeLayout,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        match (meaning, self.layout.as_vec()) {
            (meaning::STR, _) => {
                let byte = |at| self.part(at, u8::LAYOUT).leaf::<u8>();
                let text: Vec<u8> = (0..inner.size())
                    .map(byte)
                    .take_while(|byte| *byte != 0)
                    .collect();
                fmt::Debug::fmt(&NulPadded::new(&text), f)
            }
            (meaning::OFFSET, _) => fmt::Debug::fmt(&RawOffset(self.leaf()), f),
            (_, Some(vec)) => {
                let len = self.leaf();
                let Some(len) = vec.checked_len(len) else {
                    return write!(f, "ShmVec(length {len} of at most {})", vec.capacity);
                };
                self.list(f, vec.element, vec.items, len)
            }
            // Leaves out the slots: they are many, and most hold messages received long ago.
            (meaning::RING, _) => {
                let words = inner
                    .fields()
                    .split_last()
                    .map_or(&[][..], |(_, words)| words);
                let mut all = f.debug_struct(inner.name());
                for word in words {
                    let part = self.part(word.offset(), word.layout());
                    match word.name() {
                        "sender" | "receiver" => all.field(word.name(), &Claim(part.leaf())),
                        "deliveries" => all.field(word.name(), &Deliveries(part.leaf())),
                        name => all.field(name, &part),
                    };
                }
                all.finish_non_exhaustive()
            }
            (meaning::MUTEX, _) => {
                let mut all = f.debug_struct("Mutex");
                if let Some(value) = self.field(inner, "value") {
                    all.field("value", &value);
                }
                all.finish_non_exhaustive()
            }
            (meaning::SEMAPHORE, _) => {
                let permits = |word: Self| semaphore::permits_of(word.leaf());
                f.debug_struct("Semaphore")
                    .field("value", &self.field(inner, "word").map_or(0, permits))
                    .finish()
            }
            (meaning::EVENT, _) => {
                let generation = |word: Self| event::generation_of(word.leaf());
                f.debug_struct("Event")
                    .field(
                        "generation",
                        &self.field(inner, "word").map_or(0, generation),
                    )
                    .finish()
            }
            (meaning::BROADCAST, _) => {
                let sent = |tail: Self| tail.leaf::<u64>();
                f.debug_struct("Broadcast")
                    .field("sent", &self.field(inner, "tail").map_or(0, sent))
                    .finish_non_exhaustive()
            }
            (meaning::BARRIER, _) => {
                let round = |word: Self| barrier::round_of(word.leaf());
                let round = self.field(inner, "round").map_or(0, round);
                f.debug_struct("Barrier")
                    .field("round", &round)
                    .field("arrived", &self.arrived(inner, round))
                    .finish_non_exhaustive()
            }
            _ => match self.layout.as_seqlock() {
                Some(lock) => {
                    let version: u64 = self.part(lock.version, u64::LAYOUT).leaf();
                    f.debug_struct("SeqLock")
                        .field("version", &version)
                        .field("value", &self.part(lock.value_offset(version), lock.value))
                        .finish()
                }
                None => fmt::Debug::fmt(&self.part(0, inner), f),
            },
        }
    }

    /// A field of a struct at this place.
    fn field(&self, layout: &'a TypeLayout, name: &str) -> Option<Self> {
        let mut fields = layout.fields().iter();
        let field = fields.find(|field| field.name() == name)?;
        Some(self.part(field.offset(), field.layout()))
    }

    /// How many seats of a barrier have arrived in a round.
    fn arrived(&self, barrier: &'a TypeLayout, round: u32) -> usize {
        let Some(seats) = self.field(barrier, "seats") else {
            return 0;
        };
        let LayoutKind::Array { element, len } = seats.layout.kind() else {
            return 0;
        };
        let arrived = |number: usize| {
            let seat = seats.part(number * element.size(), element);
            let word = seat.field(element, "arrived");
            word.is_some_and(|word| barrier::is_arrival(word.leaf(), round))
        };
        (0..len).filter(|number| arrived(*number)).count()
    }

    /// An integer, or an `Option` of its `NonZero`: the layouts differ only in their names.
    fn integer<T: Leaf + Default + PartialEq + fmt::Debug>(
        &self,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let value: T = self.leaf();
        if self.layout.name().starts_with("Option<") {
            fmt::Debug::fmt(&(value != T::default()).then_some(value), f)
        } else {
            fmt::Debug::fmt(&value, f)
        }
    }

    fn leaf<T: Leaf>(&self) -> T {
        // SAFETY: by the layout, this is a `T`; it is live, aligned and readable (invariant 1).
        unsafe { T::load(self.at.cast_mut().cast()) }
    }
}

impl Value<'_> {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layout.kind() {
            LayoutKind::Scalar(scalar) => match scalar.kind() {
                ScalarKind::U8 => self.integer::<u8>(f),
                ScalarKind::U16 => self.integer::<u16>(f),
                ScalarKind::U32 => self.integer::<u32>(f),
                ScalarKind::U64 => self.integer::<u64>(f),
                ScalarKind::U128 => self.integer::<u128>(f),
                ScalarKind::I8 => self.integer::<i8>(f),
                ScalarKind::I16 => self.integer::<i16>(f),
                ScalarKind::I32 => self.integer::<i32>(f),
                ScalarKind::I64 => self.integer::<i64>(f),
                ScalarKind::I128 => self.integer::<i128>(f),
                ScalarKind::F32 => fmt::Debug::fmt(&self.leaf::<f32>(), f),
                ScalarKind::F64 => fmt::Debug::fmt(&self.leaf::<f64>(), f),
                ScalarKind::Bool => fmt::Debug::fmt(&self.leaf::<bool>(), f),
                ScalarKind::Char => match char::from_u32(self.leaf()) {
                    Some(character) => fmt::Debug::fmt(&character, f),
                    None => write!(f, "char({:#x})", self.leaf::<u32>()),
                },
            },
            LayoutKind::Enum { repr, variants } => {
                let bits = self.bits(repr);
                match variants.iter().find(|variant| variant.bits() == bits) {
                    Some(variant) => f.write_str(variant.name()),
                    None => write!(f, "{}({})", self.layout.name(), integer_value(repr, bits)),
                }
            }
            LayoutKind::Meaning { meaning, inner, .. } => self.meaning(meaning, inner, f),
            LayoutKind::Slice { element } => self.list(f, element, 0, self.tail),
            LayoutKind::Array { element, len } => self.list(f, element, 0, len),
            // Never part of a type of this program.
            LayoutKind::Unknown { .. } => f.write_str(self.layout.name()),
            LayoutKind::Struct { fields, .. } => {
                let parts = fields
                    .iter()
                    .map(|field| (field.name(), self.part(field.offset(), field.layout())));
                // The first field of a tuple struct is named 0, which no other field can be.
                if fields.first().is_some_and(|field| field.name() == "0") {
                    let mut tuple = f.debug_tuple(self.layout.name());
                    parts.for_each(|(_, value)| {
                        tuple.field(&value);
                    });
                    tuple.finish()
                } else {
                    let mut all = f.debug_struct(self.layout.name());
                    parts.for_each(|(name, value)| {
                        all.field(name, &value);
                    });
                    all.finish()
                }
            }
        }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.budget.is_some() {
            return self.show(f);
        }
        let budget = Cell::new(ALL_ELEMENTS);
        let whole = Value {
            budget: Some(&budget),
            ..*self
        };
        whole.show(f)
    }
}

/// The word of a role: its owner's id, and what else it says.
struct Claim(u32);

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 & claim_word::ID {
            0 => f.write_str("free")?,
            id => write!(f, "participant {id}")?,
        }
        if self.0 & claim_word::POISON != 0 {
            f.write_str(", after a death")?;
        }
        if self.0 & claim_word::WAITERS != 0 {
            f.write_str(", has waiters")?;
        }
        Ok(())
    }
}

/// The word of a ring that counts the deliveries of one message.
struct Deliveries(u64);

impl fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match ring::delivered(self.0) {
            (_, 0) => f.write_str("none"),
            (message, 1) => write!(f, "message {message} once"),
            (message, times) => write!(f, "message {message} {times} times"),
        }
    }
}

/// As the derived `Debug` of the value, except that `{:?}` shortens long arrays, slices and vectors: of each it shows the first
/// 64 elements, of all together 1,024, and then how many there are more. `{:#?}` shows all.
///
/// ```
/// # use shm_core::ShmLayout;
/// # fn main() -> Result<(), shm_core::ShmError> {
/// let shm = <[u8; 1 << 20]>::create_anonymous()?;
/// assert!(format!("{:?}", shm.cell()).ends_with(" 0, 0, .. 1048512 more]"));
/// assert_eq!(format!("{:?}", &shm[..3]), "[0, 0, 0]");
/// # Ok(()) }
/// ```
impl<T: ShmLayout, A: Access> fmt::Debug for ShmCell<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Value::of(self).fmt(f)
    }
}

/// As a slice of the values. `{:?}` shortens it as that of a [`ShmCell`] does, `{:#?}` does not.
impl<T: ShmLayout, A: Access> fmt::Debug for ShmSlice<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Value::of_slice(self).fmt(f)
    }
}
