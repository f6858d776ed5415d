//! Bounds on the struct's type parameters.

use syn::{GenericParam, Generics, Path, parse_quote_spanned};

/// The struct's generics for the implementation: each type parameter is a [`ShmLayout`] itself, defaults are gone.
pub(crate) fn shareable(generics: &Generics, krate: &Path) -> Generics {
    let mut generics = generics.clone();
    for param in &mut generics.params {
        match param {
            GenericParam::Type(param) => {
                param
                    .bounds
                    .push(parse_quote_spanned!(param.ident.span() => #krate::ShmLayout));
            }
            GenericParam::Lifetime(_) | GenericParam::Const(_) => {}
        }
    }
    generics
}
