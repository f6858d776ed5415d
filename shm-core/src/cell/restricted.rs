//! The leaves of a type for which not every byte is a value: `bool`s, which are mended, enums and `char`s, which are checked.
//!
//! A constant list per type gives their places, so that values can be copied in bulk and only these places are looked at
//! afterwards. A type with too many such places has no list; its layout is walked.

use super::checked::Valid;
use crate::layout::{AccessWidth, LayoutKind, ScalarKind, TypeLayout, leaf_repr, sign_extend};
use crate::shm_layout::ShmLayout;

/// A type with more groups has no list.
const MAX_GROUPS: usize = 8;

/// The number of lanes of [`maxima`].
const LANES: usize = 64;

/// Equal leaves at equal distances in a value.
#[derive(Clone, Copy)]
struct Group {
    /// The offset of the first leaf.
    offset: usize,
    count: usize,
    /// The distance between two leaves; without a meaning if there is only one.
    stride: usize,
    /// The integer that a leaf is stored as.
    repr: ScalarKind,
    valid: Valid,
}

impl Group {
    const fn width(&self) -> AccessWidth {
        self.repr.access_width()
    }

    /// The largest valid byte, if the leaves are bytes of which all from 0 to that one are valid.
    const fn largest_byte(&self) -> Option<u8> {
        match (self.width(), self.valid) {
            (AccessWidth::W1, Valid::Bool) => Some(1),
            (AccessWidth::W1, Valid::Range { first: 0, span }) => Some(span as u8),
            _ => None,
        }
    }

    /// Whether `other` consists of the next leaves of the same kind.
    const fn continues(&self, other: &Self) -> bool {
        let same = match (self.valid, other.valid) {
            (Valid::Bool, Valid::Bool) => true,
            (
                Valid::Range { first, span },
                Valid::Range {
                    first: other_first,
                    span: other_span,
                },
            ) => first == other_first && span == other_span,
            _ => false,
        };
        let width = self.width().bytes();
        same && width == other.width().bytes()
            && (self.count == 1 || self.stride == width)
            && (other.count == 1 || other.stride == width)
            && self.offset + self.count * width == other.offset
    }
}

/// The places of all leaves of a type for which not every byte is a value.
pub(crate) struct Restricted {
    list: [Group; MAX_GROUPS],
    len: usize,
    /// Whether `list` has room for all of them.
    complete: bool,
}

impl Restricted {
    pub(crate) const fn of(layout: &TypeLayout) -> Self {
        let none = Group {
            offset: 0,
            count: 0,
            stride: 0,
            repr: ScalarKind::U8,
            valid: Valid::Bool,
        };
        Self {
            list: [none; MAX_GROUPS],
            len: 0,
            complete: true,
        }
        .add(layout, 0)
    }

    const fn push(mut self, next: Group) -> Self {
        if self.len > 0 && self.list[self.len - 1].continues(&next) {
            let last = &mut self.list[self.len - 1];
            last.stride = last.width().bytes();
            last.count += next.count;
        } else if self.len < MAX_GROUPS {
            self.list[self.len] = next;
            self.len += 1;
        } else {
            self.complete = false;
        }
        self
    }

    /// Adds `len` times the leaves of a group, `size` bytes apart.
    const fn repeat(mut self, group: Group, offset: usize, size: usize, len: usize) -> Self {
        let first = Group {
            offset: offset + group.offset,
            ..group
        };
        if group.count == 1 || group.count * group.stride == size {
            let stride = if group.count == 1 { size } else { group.stride };
            return self.push(Group {
                count: group.count * len,
                stride,
                ..first
            });
        }
        // There are two distances: of the leaves of an element, and of the elements.
        let along = group.count < len;
        let (groups, apart) = if along {
            (group.count, group.stride)
        } else {
            (len, size)
        };
        let mut i = 0;
        while i < groups && self.complete {
            let next = Group {
                offset: first.offset + i * apart,
                ..first
            };
            self = self.push(if along {
                Group {
                    count: len,
                    stride: size,
                    ..next
                }
            } else {
                next
            });
            i += 1;
        }
        self
    }

    const fn add(mut self, layout: &TypeLayout, offset: usize) -> Self {
        if !layout.has_bool() && !layout.is_checked() {
            return self;
        }
        match layout.kind() {
            LayoutKind::Scalar(_) | LayoutKind::Enum { .. } => {
                let (repr, valid) = if layout.has_bool() {
                    (ScalarKind::U8, Valid::Bool)
                } else {
                    (leaf_repr(layout), Valid::of(layout))
                };
                self.push(Group {
                    offset,
                    count: 1,
                    stride: repr.size(),
                    repr,
                    valid,
                })
            }
            LayoutKind::Array { element, len } => {
                let inner = Self::of(element);
                self.complete &= inner.complete;
                let mut i = 0;
                while i < inner.len {
                    self = self.repeat(inner.list[i], offset, element.size(), len);
                    i += 1;
                }
                self
            }
            LayoutKind::Struct { fields, .. } => {
                let mut i = 0;
                while i < fields.len() && self.complete {
                    self = self.add(fields[i].layout(), offset + fields[i].offset());
                    i += 1;
                }
                self
            }
            // No value that is moved as a whole contains a `bool`, an enum or a `char` in one of these.
            LayoutKind::Meaning { .. } | LayoutKind::Slice { .. } | LayoutKind::Unknown { .. } => {
                self.complete = false;
                self
            }
        }
    }
}

/// The largest byte of each lane: of all bytes whose offsets differ by multiples of [`LANES`].
///
/// # Safety
///
/// `at` is private, initialised memory of `lines * LANES` bytes.
unsafe fn maxima(at: *const u8, lines: usize) -> [u8; LANES] {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if is_x86_feature_detected!("avx2") {
        /// # Safety
        ///
        /// As [`maxima_of`]; the processor has AVX2.
        #[target_feature(enable = "avx2")]
        unsafe fn wide(at: *const u8, lines: usize) -> [u8; LANES] {
            // SAFETY: by the caller.
            unsafe { maxima_of(at, lines) }
        }
        // SAFETY: by the caller; AVX2 is available.
        return unsafe { wide(at, lines) };
    }
    // SAFETY: by the caller.
    unsafe { maxima_of(at, lines) }
}

/// [`maxima`], with the instructions of its caller.
///
/// # Safety
///
/// As [`maxima`].
#[inline(always)]
unsafe fn maxima_of(at: *const u8, lines: usize) -> [u8; LANES] {
    let mut most = [0; LANES];
    for line in 0..lines {
        let at = at.wrapping_add(line * LANES).cast::<[u8; LANES]>();
        // SAFETY: by the caller; bytes have no alignment.
        let bytes = unsafe { &*at };
        for (most, byte) in most.iter_mut().zip(bytes) {
            *most = (*most).max(*byte);
        }
    }
    most
}

/// Whether `test` holds for all of `count` integers, the distance between two of which is `step`. There is no early exit,
/// so that the processor need not predict anything.
///
/// # Safety
///
/// `at` is private memory with these integers, initialised.
#[inline(always)]
unsafe fn all<W>(at: *const u8, step: usize, count: usize, test: impl Fn(W) -> bool) -> bool {
    let mut valid = true;
    for i in 0..count {
        // SAFETY: by the caller.
        let word = unsafe { at.wrapping_add(i * step).cast::<W>().read_unaligned() };
        valid &= test(word);
    }
    valid
}

impl Group {
    /// Mends or checks `count` leaves, the distance between two of which is `step`.
    ///
    /// # Safety
    ///
    /// `at` is private memory with these leaves, initialised.
    #[inline(always)]
    unsafe fn settle_leaves(&self, at: *mut u8, step: usize, count: usize) -> bool {
        macro_rules! range {
            ($ty:ty, $first:expr, $span:expr) => {{
                // The bits of the type suffice: the valid numbers are within it.
                let (first, span) = ($first as $ty, $span as $ty);
                // SAFETY: by the caller.
                unsafe { all::<$ty>(at, step, count, |bits| bits.wrapping_sub(first) <= span) }
            }};
        }
        match (self.valid, self.width()) {
            (Valid::Bool, _) => {
                // SAFETY: by the caller.
                if !unsafe { all::<u8>(at, step, count, |byte| byte <= 1) } {
                    // SAFETY: as above.
                    unsafe { mend(at, step, count) };
                }
                true
            }
            (Valid::Range { first, span }, AccessWidth::W1) => range!(u8, first, span),
            (Valid::Range { first, span }, AccessWidth::W2) => range!(u16, first, span),
            (Valid::Range { first, span }, AccessWidth::W4) => range!(u32, first, span),
            (Valid::Range { first, span }, AccessWidth::W8) => range!(u64, first, span),
            (Valid::Char, _) => {
                let is_char = |code: u32| char::from_u32(code).is_some();
                // SAFETY: by the caller; a `char` has four bytes.
                unsafe { all::<u32>(at, step, count, is_char) }
            }
            // SAFETY: by the caller.
            (Valid::Listed { .. }, _) => unsafe { self.all_listed(at, step, count) },
        }
    }

    /// # Safety
    ///
    /// As [`settle_leaves`](Self::settle_leaves).
    #[inline(never)]
    unsafe fn all_listed(&self, at: *const u8, step: usize, count: usize) -> bool {
        macro_rules! listed {
            ($ty:ty) => {{
                let is_listed =
                    |bits: $ty| self.valid.contains(sign_extend(self.repr, bits.into()));
                // SAFETY: by the caller.
                unsafe { all::<$ty>(at, step, count, is_listed) }
            }};
        }
        match self.width() {
            AccessWidth::W1 => listed!(u8),
            AccessWidth::W2 => listed!(u16),
            AccessWidth::W4 => listed!(u32),
            AccessWidth::W8 => listed!(u64),
        }
    }

    /// Mends or checks the leaves in one value.
    ///
    /// # Safety
    ///
    /// `at` is private memory with a value, initialised.
    #[inline(always)]
    unsafe fn settle_in_one<T>(&self, at: *mut T) -> bool {
        if self.count == 1 {
            let leaf = at.cast::<u8>().wrapping_add(self.offset);
            // SAFETY: by the caller; the leaf is within the value.
            return unsafe { self.settle_leaves(leaf, 0, 1) };
        }
        // SAFETY: by the caller.
        unsafe { self.settle(at.cast(), size_of::<T>(), 1) }
    }

    /// Mends or checks all leaves in `count` values of `size` bytes.
    ///
    /// # Safety
    ///
    /// `at` is private memory with these values, initialised.
    unsafe fn settle(&self, at: *mut u8, size: usize, count: usize) -> bool {
        let at = at.wrapping_add(self.offset);
        // One loop if all leaves of all values have the same distance, else the longer one is the inner one.
        if self.count == 1 {
            // SAFETY: by the caller.
            unsafe { self.settle_leaves(at, size, count) }
        } else if self.count * self.stride == size {
            // SAFETY: by the caller.
            unsafe { self.settle_leaves(at, self.stride, self.count * count) }
        } else if self.count <= count {
            (0..self.count).fold(true, |valid, i| {
                let at = at.wrapping_add(i * self.stride);
                // SAFETY: by the caller.
                valid & unsafe { self.settle_leaves(at, size, count) }
            })
        } else {
            (0..count).fold(true, |valid, i| {
                let at = at.wrapping_add(i * size);
                // SAFETY: by the caller.
                valid & unsafe { self.settle_leaves(at, self.stride, self.count) }
            })
        }
    }
}

/// Sets every byte but 0 to 1.
///
/// # Safety
///
/// `at` is private memory with `count` initialised bytes at the distance `step`.
#[cold]
unsafe fn mend(at: *mut u8, step: usize, count: usize) {
    for i in 0..count {
        let at = at.wrapping_add(i * step);
        // SAFETY: by the caller.
        let byte = unsafe { at.read() };
        // SAFETY: by the caller.
        unsafe { at.write(u8::from(byte != 0)) };
    }
}

impl Restricted {
    /// Whether the list has all places. If not, the layout must be walked.
    pub(super) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Sets every `bool` in `count` values of `size` bytes to 0 or 1, and returns whether all enums and `char`s are values.
    ///
    /// # Safety
    ///
    /// The list is complete. `at` is private memory with `count` values of its type, initialised.
    pub(super) unsafe fn settle(&self, at: *mut u8, size: usize, count: usize) -> bool {
        let groups = &self.list[..self.len];
        let lines = if LANES.is_multiple_of(size) {
            size * count / LANES
        } else {
            0
        };
        let looks = lines > 1 && groups.iter().any(|group| group.largest_byte().is_some());
        // SAFETY: by the caller; this is a part of the values.
        let most = looks.then(|| unsafe { maxima(at, lines) });
        groups.iter().fold(true, |valid, group| {
            let mut done = 0;
            if let (Some(most), Some(largest)) = (&most, group.largest_byte()) {
                let lanes = (0..LANES).step_by(size).flat_map(|value| {
                    (0..group.count).map(move |i| value + group.offset + i * group.stride)
                });
                if lanes.clone().all(|lane| most[lane] <= largest) {
                    done = lines * LANES / size;
                }
            }
            let at = at.wrapping_add(done * size);
            // SAFETY: by the caller; these are the values from there on.
            valid & unsafe { group.settle(at, size, count - done) }
        })
    }
}

/// The list of `T`.
pub(super) const fn restricted<T: ShmLayout>() -> &'static Restricted {
    const { &Restricted::of(T::LAYOUT) }
}

/// Sets every `bool` in a value to 0 or 1.
///
/// # Safety
///
/// As [`settle_one`].
#[inline(always)]
pub(super) unsafe fn mend_one<T: ShmLayout>(at: *mut T) {
    for i in 0..const { restricted::<T>().len } {
        let group = &const { restricted::<T>() }.list[i];
        if matches!(group.valid, Valid::Bool) {
            // SAFETY: by the caller.
            unsafe { group.settle_in_one(at) };
        }
    }
}

/// Sets every `bool` in a value to 0 or 1, and returns whether all enums and `char`s are values.
///
/// # Safety
///
/// The list of `T` is complete. `at` is private memory with the bytes of a `T`, initialised.
#[inline(always)]
pub(super) unsafe fn settle_one<T: ShmLayout>(at: *mut T) -> bool {
    let mut valid = true;
    // A constant list, so that the loop is unrolled and only one test remains of each turn.
    for i in 0..const { restricted::<T>().len } {
        let group = &const { restricted::<T>() }.list[i];
        // SAFETY: by the caller.
        valid &= unsafe { group.settle_in_one(at) };
    }
    valid
}

#[cfg(test)]
mod tests;
