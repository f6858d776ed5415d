//! The expansion does not depend on what is in scope, and passes strict lints.
#![no_implicit_prelude]
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, unused, deprecated)]

/// Names that would be used by a careless expansion.
pub mod shadows {
    #![expect(non_camel_case_types, reason = "these shadow primitive types")]

    /// Not the primitive type.
    pub struct usize;
    /// Not the primitive type.
    pub struct str;
    /// Not the standard enum.
    pub enum Option {}
    /// Not the trait of the library.
    pub trait Access {}
    /// Not the view.
    pub struct PointView;
    /// A module of this name.
    pub mod core {}
    /// A module of this name.
    pub mod std {}

    /// A point.
    #[derive(::shm_core::ShmLayout)]
    #[repr(C)]
    pub struct Point {
        /// X.
        pub x: f64,
        /// Y.
        pub(crate) y: f64,
        #[doc(hidden)]
        pub z: [u32; 4],
    }

    /// Old.
    #[deprecated]
    #[derive(::shm_core::ShmLayout)]
    #[repr(C)]
    pub struct Old {
        /// X.
        pub x: u64,
    }
}

macro_rules! define {
    ($name:ident { $($field:ident: $ty:ty),* }) => {
        #[derive(::shm_core::ShmLayout)]
        #[repr(C)]
        struct $name { $($field: $ty),* }
    };
}

fn main() {
    define!(Local { a: u64, b: [u8; 8] });
    let shm = <Local as ::shm_core::ShmLayout>::create_anonymous;
    let _ = shm;
    let _ = <shadows::Point as ::shm_core::ShmLayout>::SIZE;
}
