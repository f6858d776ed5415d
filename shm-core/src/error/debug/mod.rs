//! `Debug` of errors: the text, then the fields.
//!
//! `main` prints the `Debug` of an error that it returns, and `unwrap` panics with it, so a person has to be able to read it.
//! Logs and `assert_eq!` print it too, and must not lose the fields.

/// Implements `Debug` for errors: the text of `Display`, then in parentheses what `derive` would print.
///
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
                match self {
                    $(
                        $Self $(:: $variant)? $({ $($field),+ })? $(($($inner)+))? => {
                            $crate::error::debug_with_text! {
                                @fields f $name $({ $($field),+ })? $(($($inner)+))?
                            }
                        }
                    )+
                }?;
                f.write_str(")")
            }
        }
    };
    (@fields $f:ident $name:ident) => { $f.write_str(stringify!($name)) };
    (@fields $f:ident $name:ident { $($field:ident),+ }) => {
        $f.debug_struct(stringify!($name))$(.field(stringify!($field), $field))+.finish()
    };
    (@fields $f:ident $name:ident (..)) => { $f.debug_tuple(stringify!($name)).finish_non_exhaustive() };
    (@fields $f:ident $name:ident ($inner:ident)) => { $f.debug_tuple(stringify!($name)).field($inner).finish() };
    () => {};
}
pub(crate) use debug_with_text;

#[cfg(all(test, not(loom)))]
mod tests;
