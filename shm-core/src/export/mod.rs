//! Layouts as headers for C and C++.

mod c;
mod copies;
mod cpp;
mod descriptor;
mod model;
mod names;
#[cfg(test)]
mod tests;

use crate::layout::TypeLayout;

impl TypeLayout {
    /// Returns a C11 header with a struct of this layout, for programs that share a segment of this type.
    ///
    /// - The compiler checks size, alignment and every offset (`_Static_assert`).
    /// - Each number has functions that read and write it atomically: `telemetry_get_frame(at)`, `telemetry_set_frame(at, 7)`. Atomics
    ///   are read with acquire and written with release ordering, other numbers relaxed. 128-bit integers are two halves.
    /// - A struct that can be copied also has a struct of its value, with `.._load` and `.._store`.
    /// - A [`SeqLock`](crate::sync::SeqLock) has `.._read`, which gives one committed value.
    /// - `.._find` checks the header of a mapped segment, and returns the place of the payload.
    /// - The schema and the fingerprints are data, from which other programs can create such a segment.
    ///
    /// The words of locks and queues can be read. Taking a lock, sending and receiving are protocols that survive the death of a
    /// process, and are not generated.
    ///
    /// Names become identifiers: other characters than letters, digits and `_` are replaced, and keywords and duplicates get
    /// something at their end. All file-scope names begin with that of the type.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    ///
    /// #[derive(Clone, Copy, ShmLayout)]
    /// #[repr(C)]
    /// struct Telemetry { frame: u64, position: [f64; 3] }
    ///
    /// let header = Telemetry::LAYOUT.to_c();
    /// assert!(header.contains("_Atomic(double) position[3];"));
    /// assert!(header.contains("_Static_assert(offsetof(telemetry, position) == 8"));
    /// ```
    ///
    /// The layout must be that of a type of this machine. That of a dump from a machine of the other byte order has another schema.
    #[must_use]
    pub fn to_c(&'static self) -> String {
        c::header(self)
    }

    /// Returns a C++17 header with a struct of this layout, in a namespace of its own: see [`to_c`](Self::to_c). It uses the builtins
    /// `__atomic_*` of GCC and Clang.
    ///
    /// Numbers are members with `get()` and `set(value)`, atomics with `load()`, `store(value)` and the like.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    ///
    /// #[derive(Clone, Copy, ShmLayout)]
    /// #[repr(C)]
    /// struct Telemetry { frame: u64, position: [f64; 3] }
    ///
    /// let header = Telemetry::LAYOUT.to_cpp();
    /// assert!(header.contains("tshm_layout::cell<double> position[3];"));
    /// ```
    #[must_use]
    pub fn to_cpp(&'static self) -> String {
        cpp::header(self)
    }
}
