//! Writing a value: it is checked as a whole first, so that a wrong one changes nothing.

use std::fmt::{self, Write as _};

use std::time::Duration;

use super::DynCell;
use super::resolve::{Base, Part};
use crate::cell::{AnyLeaf, ShmCell, copy};
use crate::claim::word::{ClaimFailed, ClaimWord, Timeout};
use crate::collections::write_text;
use crate::dynamic::DynValue;
use crate::dynamic::error::DynError;
use crate::dynamic::name::Name;
use crate::dynamic::segment::Memory;
use crate::layout::{
    FieldLayout, LayoutKind, ScalarKind, SeqLockLayout, TypeLayout, TypeName, Variant,
    integer_value, meaning,
};
use crate::primitive::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};
use crate::segment::Segment;
use crate::sync::{HeldMutex, Owner, SeqLockWords};
use crate::sys::clock::Deadline;

/// How long [`DynCell::set`] waits for a lock.
const TIMEOUT: Duration = Duration::from_secs(2);

impl DynCell {
    /// Writes a value.
    ///
    /// The value must be one of the part's type: an integer in the range of the type, a variant of the enum, a text that fits.
    /// Integers are converted to floats where that is exact, and floats to the nearest `f32`. A list has as many elements as the
    /// part; one for a vector has at most as many as its capacity. In a struct, fields that the value does not have stay as they
    /// are. A value that does not fit changes nothing.
    ///
    /// A value of several numbers is written one by one, as with [`ShmCell::store`](crate::ShmCell::store). As with a typed
    /// [`ShmVec`](crate::ShmVec), only one process at a time may change a vector.
    ///
    /// # Locks
    ///
    /// The value of a [`Mutex`](crate::sync::Mutex), or a part of it, is written under the lock. The value of a
    /// [`SeqLock`](crate::sync::SeqLock), or a part of it, becomes one commit: the last committed value with this change. For either this
    /// waits for at most two seconds; [`set_timeout`](Self::set_timeout) takes another limit. If the owner of a `Mutex` died, the value is
    /// written all the same, and the next owner still gets [`OwnerDied`](crate::sync::LockError::OwnerDied). A process that is killed in
    /// this call leaves what one leaves that has the type.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::dynamic::DynSegment;
    /// use shm_core::sync::SeqLock;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("/doc-dyn-set-{}", std::process::id());
    /// let limits = SeqLock::<[u32; 3]>::create(&name)?;
    /// limits.store([1, 2, 3])?;
    /// DynSegment::attach(&name)?.at("[1]")?.set(&7.into())?;
    /// assert_eq!(limits.read_versioned()?, (2, [1, 7, 3]));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`WrongValue`](DynError::WrongValue) says what the part can have; [`NotSettable`](DynError::NotSettable) for read-only
    /// handles and dumps, and for the words of types of [`sync`](crate::sync), which only these types write;
    /// [`Locked`](DynError::Locked); [`WouldDeadlock`](DynError::WouldDeadlock); [`Unregistered`](DynError::Unregistered).
    pub fn set(&self, value: &DynValue) -> Result<(), DynError> {
        self.set_timeout(value, TIMEOUT)
    }

    /// [`set`](Self::set)s the value, waiting for locks for at most `timeout` on the monotonic clock.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn set_timeout(&self, value: &DynValue, timeout: Duration) -> Result<(), DynError> {
        let (segment, part, plan) = self.plan(value)?;
        let payload = segment.payload().cast::<u8>().cast_mut();
        let deadline = Timeout::At(Deadline::after(timeout));
        let mut held = Vec::new();
        for mutex in &part.mutexes {
            let claim = payload.wrapping_add(*mutex).cast::<ClaimWord>();
            // SAFETY: by the checked layout, a `Mutex` is at this offset in the payload, and begins with its claim. It lives as long
            // as the handle, and is only accessed atomically.
            let claim = unsafe { &*claim };
            held.push(
                HeldMutex::lock(claim, deadline).map_err(|failed| self.locked(claim, failed))?,
            );
        }
        match part.base {
            Base::Payload => {
                // SAFETY: the payload is mapped writable and lives as long as the handle. By its checked layout, the part is at this
                // offset, and the plan was made for the part.
                unsafe { plan.write(payload.wrapping_add(part.offset)) };
            }
            // It was refused above.
            Base::Message { .. } => {}
            Base::SeqLock { at, of, lock } => {
                // SAFETY: by the checked layout, a lock is at this offset. It lives as long as the handle, is mapped writable, and is
                // only accessed atomically.
                let words = unsafe { seqlock_words(payload.wrapping_add(at), of, lock) };
                let committed = words.commit(deadline, |current, next| {
                    let slot = |number| payload.wrapping_add(at + lock.slot_offset(number));
                    if current != next {
                        // SAFETY: both are slots of this lock, so values without gaps that do not overlap.
                        unsafe { copy::copy_shared_value(slot(next), slot(current), lock.value) };
                    }
                    // SAFETY: the part is in the value of the slot, at this offset.
                    unsafe { plan.write(slot(next).wrapping_add(part.offset)) };
                });
                committed.map_err(|failed| self.locked(words.claim, failed))?;
            }
        }
        // The innermost lock was taken last.
        while held.pop().is_some() {}
        Ok(())
    }

    /// Checks that the part can be [`set`](Self::set) to a value, and changes nothing: all of `set` but the writing, and the locks
    /// around the part. To set several parts or none, check all values first.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::dynamic::{DynError, DynSegment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("/doc-dyn-accepts-{}", std::process::id());
    /// let shm = <[u8; 4]>::create(&name)?;
    /// let first = DynSegment::attach(&name)?.at("[0]")?;
    /// first.accepts(&255.into())?;
    /// assert!(matches!(first.accepts(&256.into()), Err(DynError::WrongValue { .. })));
    /// assert_eq!(shm[0].get(), 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`WrongValue`](DynError::WrongValue) and [`NotSettable`](DynError::NotSettable), as [`set`](Self::set) returns them.
    pub fn accepts(&self, value: &DynValue) -> Result<(), DynError> {
        self.plan(value).map(drop)
    }

    /// Plans to write a value, which must be one that the part can have. Returns the plan, and the part without the locks
    /// around it.
    fn plan(&self, value: &DynValue) -> Result<(&Segment, Part, Plan), DynError> {
        let Memory::Mapped(segment) = &self.handle.memory else {
            return Err(self.not_settable("a dump cannot be written"));
        };
        if !segment.is_writable() {
            return Err(self.not_settable("the segment is attached read-only; use `attach`"));
        }
        if self.part.words_of.is_some() {
            return Err(self.not_settable(WORD));
        }
        if matches!(self.part.base, Base::Message { .. }) {
            return Err(self.not_settable("a message was sent as it is"));
        }
        // What a lock holds is written under the lock.
        let part = self.part.innermost();
        if part.words_of.is_some() {
            return Err(self.not_settable(WORD));
        }
        let mut plan = Plan {
            writes: Vec::new(),
            path: self.path.clone(),
        };
        match part.len {
            None => plan.add(0, part.layout, part.tail(&self.handle), value)?,
            Some(len) => plan.elements(0, part.layout, len, value)?,
        }
        Ok((segment, part, plan))
    }

    fn locked(&self, claim: &ClaimWord, failed: ClaimFailed) -> DynError {
        let path = self.path().to_owned();
        match failed {
            ClaimFailed::Owned(id) => DynError::Locked {
                path,
                owner: Owner::alive_or_stopped(claim, id),
            },
            ClaimFailed::WouldDeadlock => DynError::WouldDeadlock { path },
            ClaimFailed::Unregistered(error) => DynError::Unregistered(error),
        }
    }

    fn not_settable(&self, reason: &'static str) -> DynError {
        DynError::NotSettable {
            path: self.path().to_owned(),
            reason,
        }
    }
}

/// The words of a sequence lock.
///
/// # Safety
///
/// For `'a`, `at` points to a `SeqLock` of layout `of`, whose parts are `lock`: live, writable, and only accessed atomically.
unsafe fn seqlock_words<'a>(at: *mut u8, of: &TypeLayout, lock: SeqLockLayout) -> SeqLockWords<'a> {
    let word = |name| at.wrapping_add(of.word_offset(name).unwrap_or(0));
    // SAFETY: by the caller; the checked layout has the claim there.
    let claim = unsafe { &*word("claim").cast::<ClaimWord>() };
    // SAFETY: by the caller; the checked layout has the version there.
    let version = unsafe { &*at.wrapping_add(lock.version).cast::<AtomicU64>() };
    // SAFETY: by the caller; the checked layout has the eventcount there.
    let changed = unsafe { &*word("changed").cast::<AtomicU32>() };
    SeqLockWords {
        claim,
        version,
        changed,
        slots: lock.slots,
    }
}

const WORD: &str = "only the protocol of the type writes its words";
const PROTECTED: &str = "a lock protects it; set it by its own path";

/// One access, or those of a text.
enum Write {
    Leaf {
        offset: usize,
        bits: u128,
        size: usize,
        /// Whether it is stored with release ordering.
        releases: bool,
    },
    Text {
        offset: usize,
        capacity: usize,
        text: Vec<u8>,
    },
}

/// What to write, in this order.
struct Plan {
    writes: Vec<Write>,
    /// The path of the part that is checked.
    path: String,
}

type Result<T = (), E = DynError> = std::result::Result<T, E>;

impl Plan {
    fn wrong<T>(&self, reason: impl Into<String>) -> Result<T> {
        Err(DynError::WrongValue {
            path: self.shown_path(),
            reason: reason.into(),
        })
    }

    fn shown_path(&self) -> String {
        let path = self.path.strip_prefix('.').unwrap_or(&self.path);
        if path.is_empty() { "." } else { path }.to_owned()
    }

    fn within(
        &mut self,
        part: fmt::Arguments<'_>,
        add: impl FnOnce(&mut Self) -> Result,
    ) -> Result {
        let len = self.path.len();
        // Writing to a `String` does not fail.
        let _ = self.path.write_fmt(part);
        add(self)?;
        self.path.truncate(len);
        Ok(())
    }

    /// Adds what writes `value` to the part of `layout` at `offset`.
    fn add(
        &mut self,
        offset: usize,
        layout: &'static TypeLayout,
        tail: usize,
        value: &DynValue,
    ) -> Result {
        match layout.kind() {
            LayoutKind::Scalar(scalar) => {
                let bits = self.scalar(scalar.kind(), value)?;
                self.leaf(offset, scalar.kind(), bits, scalar.is_atomic());
                Ok(())
            }
            LayoutKind::Enum { repr, variants } => {
                let bits = self.variant(layout, repr, variants, value)?;
                self.leaf(offset, repr, bits.into(), false);
                Ok(())
            }
            LayoutKind::Array { element, len } => self.elements(offset, element, len, value),
            LayoutKind::Slice { element } => self.elements(offset, element, tail, value),
            LayoutKind::Struct { fields, .. } => self.fields(offset, fields, tail, value),
            LayoutKind::Meaning { meaning, inner, .. } => match meaning {
                meaning::STR => self.text(offset, inner.size(), value),
                meaning::OFFSET => self.add(offset, inner, 0, value),
                meaning::VEC => self.vector(offset, layout, value),
                meaning::MUTEX | meaning::SEQLOCK => self.not_settable(PROTECTED),
                _ => self.not_settable(WORD),
            },
        }
    }

    fn not_settable(&self, reason: &'static str) -> Result {
        Err(DynError::NotSettable {
            path: self.shown_path(),
            reason,
        })
    }

    fn leaf(&mut self, offset: usize, kind: ScalarKind, bits: u128, releases: bool) {
        self.writes.push(Write::Leaf {
            offset,
            bits,
            size: kind.size(),
            releases,
        });
    }

    fn elements(
        &mut self,
        offset: usize,
        element: &'static TypeLayout,
        len: usize,
        value: &DynValue,
    ) -> Result {
        match value {
            DynValue::List(values) if values.len() == len => {
                self.each_element(offset, element, values)
            }
            DynValue::List(values) => self.wrong(format!(
                "it has {len} elements, and the list has {}",
                values.len()
            )),
            other => self.wrong(format!(
                "it takes a list of {len} values of type `{}`, and not {}",
                shown(element),
                other.kind()
            )),
        }
    }

    fn each_element(
        &mut self,
        offset: usize,
        element: &'static TypeLayout,
        values: &[DynValue],
    ) -> Result {
        for (number, value) in values.iter().enumerate() {
            self.within(format_args!("[{number}]"), |plan| {
                plan.add(offset + number * element.size(), element, 0, value)
            })?;
        }
        Ok(())
    }

    fn vector(&mut self, offset: usize, layout: &'static TypeLayout, value: &DynValue) -> Result {
        let Some(vec) = layout.as_vec() else {
            return self.not_settable(WORD);
        };
        match value {
            DynValue::List(values) if values.len() <= vec.capacity => {
                self.each_element(offset + vec.items, vec.element, values)?;
                // A reader that sees the length sees the elements.
                self.leaf(offset, ScalarKind::U64, values.len() as u128, true);
                Ok(())
            }
            DynValue::List(values) => self.wrong(format!(
                "it has room for {} elements, and the list has {}",
                vec.capacity,
                values.len()
            )),
            other => self.wrong(format!(
                "it takes a list of at most {} values of type `{}`, and not {}",
                vec.capacity,
                shown(vec.element),
                other.kind()
            )),
        }
    }

    fn fields(
        &mut self,
        offset: usize,
        fields: &'static [FieldLayout],
        tail: usize,
        value: &DynValue,
    ) -> Result {
        let DynValue::Struct(values) = value else {
            return self.wrong(format!(
                "it is a struct, which takes `{{name: value, ..}}`, and not {}",
                value.kind()
            ));
        };
        for (name, value) in values {
            let Some(field) = fields.iter().find(|field| field.name() == name) else {
                return self.wrong(format!("the struct has no field `{}`", Name(name)));
            };
            let dot = if self.path.is_empty() { "" } else { "." };
            self.within(format_args!("{dot}{}", Name(name)), |plan| {
                plan.add(offset + field.offset(), field.layout(), tail, value)
            })?;
        }
        Ok(())
    }

    fn text(&mut self, offset: usize, capacity: usize, value: &DynValue) -> Result {
        let text = match value {
            DynValue::Str(text) => text.as_bytes(),
            DynValue::Bytes(bytes) => bytes,
            other => {
                return self.wrong(format!(
                    "it is text, which is written as `\"..\"`, and not {}",
                    other.kind()
                ));
            }
        };
        if text.contains(&0) {
            return self.wrong("text ends at a NUL, so it cannot have one");
        }
        if text.len() > capacity {
            return self.wrong(format!(
                "it has room for {capacity} bytes, and the text has {}",
                text.len()
            ));
        }
        self.writes.push(Write::Text {
            offset,
            capacity,
            text: text.to_vec(),
        });
        Ok(())
    }

    /// The bits of a scalar.
    fn scalar(&self, kind: ScalarKind, value: &DynValue) -> Result<u128> {
        match kind {
            ScalarKind::Bool => match value {
                DynValue::Bool(value) => Ok((*value).into()),
                other => self.mismatch("a bool", "`true` or `false`", other),
            },
            ScalarKind::Char => {
                let char = match value {
                    DynValue::Char(char) => Some(*char),
                    DynValue::Str(text) => {
                        let mut chars = text.chars();
                        chars.next().filter(|_| chars.next().is_none())
                    }
                    _ => None,
                };
                match char {
                    Some(char) => Ok(u32::from(char).into()),
                    None => self.mismatch("a char", "one character, as `'x'`", value),
                }
            }
            ScalarKind::F32 => match value {
                DynValue::F32(value) => Ok(value.to_bits().into()),
                DynValue::F64(wide) => {
                    let value = *wide as f32;
                    if wide.is_finite() && !value.is_finite() {
                        return self.wrong(format!("{wide:?} is too large for an f32"));
                    }
                    Ok(value.to_bits().into())
                }
                other => match self.exact(other, "an f32")? {
                    wide if f64::from(wide as f32) == wide => Ok((wide as f32).to_bits().into()),
                    _ => self.wrong(format!("an f32 cannot hold exactly {other}")),
                },
            },
            ScalarKind::F64 => match value {
                DynValue::F32(value) => Ok(f64::from(*value).to_bits().into()),
                DynValue::F64(value) => Ok(value.to_bits().into()),
                other => Ok(self.exact(other, "an f64")?.to_bits().into()),
            },
            _ => self.integer(kind, value),
        }
    }

    fn mismatch<T>(&self, what: &str, takes: &str, value: &DynValue) -> Result<T> {
        let found = value.kind();
        self.wrong(format!(
            "it is {what}, which takes {takes}, and not {found}"
        ))
    }

    /// An integer as a float of the same value.
    fn exact(&self, value: &DynValue, what: &str) -> Result<f64> {
        let float = match value {
            DynValue::Int(int) => {
                let float = *int as f64;
                // Not for `i128::MAX`, to which a cast of 2^127 saturates.
                (float < i128::MAX as f64 && float as i128 == *int).then_some(float)
            }
            DynValue::UInt(_) => None,
            other => return self.mismatch(what, "a number", other),
        };
        match float {
            Some(float) => Ok(float),
            None => self.wrong(format!("{what} cannot hold exactly {value}")),
        }
    }

    fn integer(&self, kind: ScalarKind, value: &DynValue) -> Result<u128> {
        let unused = 128 - 8 * kind.size() as u32;
        let (least, most) = if kind.is_signed() {
            (i128::MIN >> unused, (i128::MAX >> unused).cast_unsigned())
        } else {
            (0, u128::MAX >> unused)
        };
        let bits = match value {
            DynValue::Int(value) if *value < 0 => {
                (*value >= least).then_some(value.cast_unsigned())
            }
            DynValue::Int(value) => Some(value.cast_unsigned()).filter(|value| *value <= most),
            DynValue::UInt(value) => Some(*value).filter(|value| *value <= most),
            other => {
                let what = format!("of type {}", kind.name());
                return self.mismatch(&what, "an integer", other);
            }
        };
        match bits {
            Some(bits) => Ok(bits),
            None => self.wrong(format!(
                "{value} is no {}, which is an integer from {least} to {most}",
                kind.name()
            )),
        }
    }

    /// The bits of a variant.
    fn variant(
        &self,
        layout: &TypeLayout,
        repr: ScalarKind,
        variants: &[Variant],
        value: &DynValue,
    ) -> Result<u64> {
        let found = match value {
            DynValue::Name(_) | DynValue::Str(_) => value.as_str(),
            _ => None,
        };
        let variant = variants
            .iter()
            .find(|variant| Some(variant.name()) == found);
        if let Some(variant) = variant {
            return Ok(variant.bits());
        }
        let mut names = String::new();
        for (number, variant) in variants.iter().take(16).enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            let value = integer_value(repr, variant.bits());
            let _ = write!(names, "{comma}`{}` ({value})", Name(variant.name()));
        }
        let more = if variants.len() > 16 { ", .." } else { "" };
        self.wrong(format!(
            "{value} is no variant of `{}`: {names}{more}",
            shown(layout)
        ))
    }

    /// Writes all of it.
    ///
    /// # Safety
    ///
    /// `at` points to the part that the plan was made for: live, aligned, writable, and only accessed atomically.
    unsafe fn write(&self, at: *mut u8) {
        for write in &self.writes {
            match write {
                Write::Leaf {
                    offset,
                    bits,
                    size,
                    releases,
                } => {
                    let at = at.wrapping_add(*offset);
                    // SAFETY: by the caller; the part has a leaf of this size there.
                    unsafe { store(at, *bits, *size, *releases) };
                }
                Write::Text {
                    offset,
                    capacity,
                    text,
                } => {
                    let at = at.wrapping_add(*offset).cast::<ShmCell<u8>>();
                    // SAFETY: by the caller; the part has an array of so many bytes there, each of which is a cell that may be
                    // written.
                    let bytes = unsafe { std::slice::from_raw_parts(at, *capacity) };
                    write_text(bytes, text);
                }
            }
        }
    }
}

/// A type's name, for a message. A name from a segment may be long, and may have control characters.
fn shown(layout: &TypeLayout) -> String {
    let name = TypeName(layout).to_string();
    let short: String = name.chars().take(100).collect();
    short.escape_debug().to_string()
}

/// Stores a leaf of `size` bytes.
///
/// # Safety
///
/// `at` points to a leaf of this size: live, aligned, writable, and only accessed atomically.
unsafe fn store(at: *mut u8, bits: u128, size: usize, releases: bool) {
    macro_rules! store {
        ($ty:ty, $atomic:ty) => {{
            let bits = bits as $ty;
            if releases {
                // SAFETY: by the caller.
                let word = unsafe { <$atomic>::from_ptr(at.cast()) };
                word.store(bits, Ordering::Release);
            } else {
                // SAFETY: by the caller.
                unsafe { <$ty>::store(at.cast(), bits) };
            }
        }};
    }
    match size {
        1 => store!(u8, AtomicU8),
        2 => store!(u16, AtomicU16),
        4 => store!(u32, AtomicU32),
        8 => store!(u64, AtomicU64),
        // SAFETY: by the caller: two leaves of eight bytes.
        _ => unsafe { u128::store(at.cast(), bits) },
    }
}
