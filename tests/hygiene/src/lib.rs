//! Structs with the derive in difficult environments: another edition, the library under another name only, names that
//! shadow what an expansion might use, and every lint as an error. Most of the test is that it compiles.

#![forbid(unsafe_code)]
#![deny(
    warnings,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unused,
    unused_qualifications,
    single_use_lifetimes,
    clippy::all,
    clippy::pedantic
)]

mod wide;

pub use wide::Wide;

/// Names that a careless expansion would use.
pub mod shadows {
    #![allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]

    /// Not the primitive type.
    #[derive(Debug)]
    pub struct u64;
    /// Not the standard enum.
    #[derive(Debug)]
    pub enum Option {}
    /// Not the standard enum.
    #[derive(Debug)]
    pub enum Result {}
    /// Not the function.
    pub const fn Ok() {}
    /// Not the function.
    pub const fn Some() {}
    /// Not the trait of the library.
    pub trait Access {}
    /// Not the trait of the library.
    pub trait ShmCell {}
    /// A module of this name.
    pub mod core {}
    /// A module of this name.
    pub mod std {}
    /// A constant that a pattern would match.
    pub const tail: u8 = 0;
    /// A static that a pattern would match.
    pub static payload: u8 = 0;

    /// A macro of a common name.
    #[macro_export]
    macro_rules! assert {
        ($($any:tt)*) => {
            compile_error!("not the macro that was meant")
        };
    }

    /// A point next to them.
    #[derive(Clone, Copy, Debug, shared::ShmLayout)]
    #[repr(C)]
    #[shm(crate = "shared")]
    pub struct Point {
        /// X.
        pub x: f64,
        /// Y, for this crate.
        pub(crate) y: f64,
        z: [u32; 2],
    }

    impl Point {
        /// Uses `z`.
        #[must_use]
        pub const fn z(&self) -> [u32; 2] {
            self.z
        }

        /// Uses `y`.
        #[must_use]
        pub const fn y(&self) -> f64 {
            self.y
        }
    }
}

macro_rules! define {
    ($(#[$attr:meta])* $name:ident<$param:ident> { $($field:ident: $ty:ty),* $(,)? }) => {
        $(#[$attr])*
        #[derive(Clone, Copy, Debug, shared::ShmLayout)]
        #[repr(C)]
        #[shm(crate = "shared")]
        pub struct $name<$param> {
            $(
                /// A field from a macro.
                pub $field: $ty
            ),*
        }
    };
}

define! {
    /// From a macro, and generic.
    FromMacro<Value> {
        value: Value,
        pair: [Value; 2],
    }
}

/// With conditional fields, other attributes, and names that are used elsewhere.
#[derive(Clone, Copy, Debug, shared::ShmLayout)]
#[repr(C)]
#[shm(crate = "shared")]
#[shm(version = 4)]
#[cfg_attr(not(any()), repr(align(16)))]
#[must_use]
#[non_exhaustive]
pub struct Decorated {
    /// Not here.
    #[cfg(any())]
    pub gone: *const u8,
    /// Here.
    #[cfg(not(any()))]
    pub here: u64,
    /// A raw name.
    #[doc(alias = "kind")]
    pub r#type: u32,
    /// Renamed in the layout.
    #[shm(rename = "other")]
    #[allow(clippy::struct_field_names)]
    pub decorated: u32,
}

/// A generic struct with gaps, and a parameter that no field stores.
#[derive(Debug, shared::ShmLayout)]
#[repr(C)]
#[shm(crate = "shared", padding)]
pub struct Gaps<Value, Tag: ?Sized> {
    /// A byte.
    pub on: bool,
    /// A value.
    pub value: Value,
    /// A tag.
    pub tag: std::marker::PhantomData<fn() -> Tag>,
}

/// A struct with gaps.
#[derive(Debug, shared::ShmLayout)]
#[repr(C)]
#[shm(crate = "shared", padding)]
pub struct Padded {
    /// Without a bound on its parameter.
    pub gaps: Gaps<u16, str>,
    /// Wider.
    pub wide: u64,
}

/// A generic struct with everything that generics may have.
#[derive(Clone, Copy, Debug, shared::ShmLayout)]
#[repr(C)]
#[shm(crate = "shared")]
pub struct Generic<T: Copy + core::fmt::Debug, U = u32, const N: usize = 4>
where
    U: Copy,
    [T; N]: Sized,
{
    /// Values.
    pub values: [T; N],
    /// The other ones.
    pub others: [U; 2],
    /// Nothing but a type.
    pub marker: core::marker::PhantomData<T>,
}

/// Modes, with gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, shared::ShmLayout)]
#[repr(u16)]
#[shm(crate = "shared")]
pub enum Mode {
    /// Zero.
    #[default]
    Off = 0,
    /// Far away.
    r#On = 500,
}

/// A table with as many entries as wanted.
#[derive(shared::ShmLayout)]
#[repr(C)]
#[shm(crate = "shared")]
pub struct Table<T: 'static> {
    /// How many are in use.
    pub used: u64,
    /// The entries.
    pub entries: [T],
}

impl<T> core::fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Table")
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}

/// What the next structs still have.
#[deprecated = "for the test"]
#[derive(Clone, Copy, Debug, shared::ShmLayout)]
#[repr(C)]
#[shm(crate = "shared")]
pub struct Old {
    /// Not deprecated.
    pub value: u64,
}

/// A lint that is allowed in the struct is allowed in all that the derive makes of it.
#[derive(Clone, Copy, Debug, shared::ShmLayout)]
#[repr(C)]
#[shm(crate = "shared")]
#[allow(deprecated)]
pub struct Allowing<T> {
    /// Deprecated.
    #[allow(deprecated)]
    pub old: Old,
    /// The others.
    #[allow(deprecated, dead_code)]
    pub others: [T; 2],
}

/// Nothing but the struct itself has to do what is expected.
#[derive(Debug, shared::ShmLayout)]
#[repr(C)]
#[shm(crate = "shared")]
#[allow(non_upper_case_globals)]
#[expect(non_snake_case, reason = "one field")]
pub struct Expecting<const n: usize> {
    /// Deprecated.
    #[expect(deprecated)]
    pub old: Old,
    /// Not a name for a field.
    pub Values: [u64; n],
}

/// Deprecated itself, with an attribute that the derive does not know, so that it looks at the fields' places.
#[derive(Clone, Copy, Debug, shared::ShmLayout)]
#[repr(C)]
#[shm(crate = "shared")]
#[rustfmt::skip]
pub struct Changing {
    /// Going.
    #[deprecated]
    pub old: u64,
    /// Staying.
    pub new: u64,
}

/// With a variant that is going.
#[derive(Clone, Copy, Debug, shared::ShmLayout)]
#[repr(u8)]
#[shm(crate = "shared")]
pub enum State {
    /// Staying.
    New = 0,
    /// Going.
    #[deprecated]
    Old = 1,
}

#[cfg(test)]
mod tests {
    use shared::{Shm, ShmError, ShmLayout};

    use super::*;

    mod private {
        #[derive(Clone, Copy, Debug, PartialEq, shared::ShmLayout)]
        #[repr(transparent)]
        #[shm(crate = "shared")]
        pub(super) struct Newtype(pub(super) [u8; 64 << 20]);
    }

    #[test]
    fn structs_in_functions() -> Result<(), ShmError> {
        #[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
        #[repr(C)]
        #[shm(crate = "shared")]
        struct Local {
            self_: u64,
            len: [bool; 8],
        }
        let shm = Local::create_anonymous()?;
        shm.self_.set(1);
        shm.len[3].set(true);
        let mut expected = [false; 8];
        expected[3] = true;
        assert_eq!(
            shm.load(),
            Local {
                self_: 1,
                len: expected
            }
        );
        Ok(())
    }

    #[test]
    fn everything_works_from_here() -> Result<(), ShmError> {
        let point: Shm<shadows::Point> = shadows::Point::create_anonymous()?;
        point.y.set(2.0);
        assert_eq!(point.load().y().to_bits(), 2.0_f64.to_bits());
        assert_eq!(point.load().z(), [0; 2]);

        let decorated = Decorated::create_anonymous()?;
        decorated.r#type.set(3);
        decorated.decorated.set(4);
        assert_eq!(decorated.load().here, 0);
        assert_eq!(Decorated::LAYOUT.fields()[2].name(), "other");
        assert_eq!((Decorated::ALIGN, Decorated::LAYOUT.version()), (16, 4));

        let generic = Generic::<u64>::create_anonymous()?;
        generic.values[3].set(5);
        generic.others.fill(6);
        assert_eq!(generic.load().values, [0, 0, 0, 5]);
        let nested = FromMacro::<Generic<u8, u8, 2>>::create_anonymous()?;
        nested.pair[1].values[1].set(7);
        assert_eq!(nested.load().pair[1].values, [0, 7]);

        let mode = Mode::create_anonymous()?;
        mode.set(Mode::On);
        assert_eq!(mode.try_get().ok(), Some(Mode::On));

        let table = Table::<Generic<u64>>::create_anonymous_with_len(3)?;
        table.entries[2].values[0].set(8);
        assert_eq!(table.entries.to_vec()[2].values[0], 8);

        let wide = Wide::create_anonymous()?;
        wide.field_199.set(9);
        assert_eq!(wide.load().field_199, 9);
        Ok(())
    }

    #[test]
    fn large_values_do_not_need_the_stack() -> Result<(), ShmError> {
        let shm = private::Newtype::options()
            .sparse(true)
            .create_anonymous()?;
        shm.0[(64 << 20) - 1].set(1);
        let boxed = shm.load_boxed();
        assert_eq!(boxed.0[(64 << 20) - 1], 1);
        shm.0[0].set(2);
        let mut boxed = boxed;
        shm.load_into(&mut boxed);
        assert_eq!(boxed.0[0], 2);
        Ok(())
    }
}
