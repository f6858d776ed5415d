//! `Debug` of errors: the text, then the fields.
//!
//! `main` prints the `Debug` of an error that it returns, and `unwrap` panics with it, so a person has to be able to read it.
//! Logs and `assert_eq!` print it too, and must not lose the fields.

use std::fmt;

/// The second half of the `Debug` of an error.
pub(crate) trait Fields {
    /// Prints what `derive` would print.
    fn fmt_fields(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// An error within another one, whose text contains that of this one.
pub(crate) struct Inner<'a, E>(pub(crate) &'a E);

impl<E: Fields> fmt::Debug for Inner<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_fields(f)
    }
}

/// A field that is no error.
impl Fields for u64 {
    fn fmt_fields(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl<E: Fields> Fields for Box<E> {
    fn fmt_fields(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt_fields(f)
    }
}

/// Implements `Debug` for errors: the text of `Display`, then in parentheses what `derive` would print.
///
/// An error that is the only field of a variant prints its fields there, since its text is part of the variant's.
/// A field of any type is written `..`: a message that was not sent need not be `Debug`.
macro_rules! debug_with_text {
    (struct $error:ident $(<$param:ident>)? $(($($inner:tt)+))? ; $($rest:tt)*) => {
        $crate::error::debug_with_text! {
            @impl $error [$($param)?] { $error = Self $(($($inner)+))? }
        }
        $crate::error::debug_with_text! { $($rest)* }
    };
    (
        enum $error:ident $(<$param:ident>)? {
            $($variant:ident $({ $($field:ident),+ })? $(($($inner:tt)+))?),+ $(,)?
        }
        $($rest:tt)*
    ) => {
        $crate::error::debug_with_text! {
            @impl $error [$($param)?] {
                $($variant = Self::$variant $({ $($field),+ })? $(($($inner)+))?),+
            }
        }
        $crate::error::debug_with_text! { $($rest)* }
    };
    (@impl $error:ident [$($param:ident)?] {
        $($name:ident = $Self:ident $(:: $variant:ident)? $({ $($field:ident),+ })? $(($($inner:tt)+))?),+
    }) => {
        impl $(<$param>)? ::std::fmt::Debug for $error $(<$param>)? {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                write!(f, "{self} (")?;
                $crate::error::debug::Fields::fmt_fields(self, f)?;
                f.write_str(")")
            }
        }

        impl $(<$param>)? $crate::error::debug::Fields for $error $(<$param>)? {
            fn fmt_fields(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                match self {
                    $(
                        $Self $(:: $variant)? $({ $($field),+ })? $(($($inner)+))? => {
                            $crate::error::debug_with_text! {
                                @fields f $name $({ $($field),+ })? $(($($inner)+))?
                            }
                        }
                    )+
                }
            }
        }
    };
    (@fields $f:ident $name:ident) => { $f.write_str(stringify!($name)) };
    (@fields $f:ident $name:ident { $($field:ident),+ }) => {
        $f.debug_struct(stringify!($name))$(.field(stringify!($field), $field))+.finish()
    };
    (@fields $f:ident $name:ident (..)) => { $f.debug_tuple(stringify!($name)).finish_non_exhaustive() };
    (@fields $f:ident $name:ident ($inner:ident)) => {
        $f.debug_tuple(stringify!($name)).field(&$crate::error::debug::Inner($inner)).finish()
    };
    () => {};
}
pub(crate) use debug_with_text;

#[cfg(all(test, not(loom)))]
mod tests;
