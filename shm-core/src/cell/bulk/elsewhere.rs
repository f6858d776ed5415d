//! Stubs for builds without the assembly. They are never called: [`WIDE`](super::WIDE) is false.

pub(crate) const LARGEST_VALUE: Option<usize> = None;

const GUARD: &str = "guarded by `WIDE`";

/// # Safety
///
/// None is needed.
pub(crate) unsafe fn read(_: *mut u8, _: *const u8, _: usize) {
    unreachable!("{GUARD}")
}

/// # Safety
///
/// None is needed.
pub(crate) unsafe fn write(_: *mut u8, _: *const u8, _: usize) {
    unreachable!("{GUARD}")
}

/// # Safety
///
/// None is needed.
pub(crate) unsafe fn fill(_: *mut u8, _: [u64; 2], _: usize) {
    unreachable!("{GUARD}")
}

/// # Safety
///
/// None is needed.
pub(crate) unsafe fn read_value<T>(_: *mut T, _: *const T) {
    unreachable!("{GUARD}")
}

/// # Safety
///
/// None is needed.
pub(crate) unsafe fn write_value<T>(_: *mut T, _: *const T) {
    unreachable!("{GUARD}")
}
