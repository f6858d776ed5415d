//! What `main` prints of an error that it returns, and `unwrap` panics with: its `Debug`.

/// Implements `Debug` for errors: the name of the variant, or of the type where it has none, and the text of `Display`.
///
/// What an error carries along, such as a message that was not sent, need not be `Debug` for it.
macro_rules! debug_as_told {
    (@ $error:ident [$($param:ident)?] |$this:ident| $name:expr) => {
        impl $(<$param>)? ::std::fmt::Debug for $error $(<$param>)? {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                let $this = self;
                write!(f, "{}: {self}", $name)
            }
        }
    };
    (struct $error:ident $(<$param:ident>)?; $($rest:tt)*) => {
        $crate::error::debug_as_told! { @ $error [$($param)?] |_this| stringify!($error) }
        $crate::error::debug_as_told! { $($rest)* }
    };
    (enum $error:ident $(<$param:ident>)? { $($variant:ident),+ $(,)? } $($rest:tt)*) => {
        $crate::error::debug_as_told! {
            @ $error [$($param)?] |this| match this { $(Self::$variant { .. } => stringify!($variant)),+ }
        }
        $crate::error::debug_as_told! { $($rest)* }
    };
    () => {};
}
pub(crate) use debug_as_told;

#[cfg(all(test, not(loom)))]
mod tests;
