//! Bounds on the struct's type parameters.

use syn::punctuated::Punctuated;
use syn::{
    GenericParam, Generics, Path, Token, TypeParamBound, WherePredicate, parse_quote_spanned,
};

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

/// Removes each `?Sized` from the bounds, and returns what was written.
///
/// A field has a size, so they are a mistake. Without them the rest of the expansion holds.
pub(crate) fn take_unsized(generics: &mut Generics) -> Vec<TypeParamBound> {
    let mut found = Vec::new();
    for param in generics.type_params_mut() {
        take(&mut param.bounds, &mut found);
    }
    if let Some(clause) = &mut generics.where_clause {
        for predicate in &mut clause.predicates {
            if let WherePredicate::Type(predicate) = predicate {
                take(&mut predicate.bounds, &mut found);
            }
        }
    }
    found
}

fn take(bounds: &mut Punctuated<TypeParamBound, Token![+]>, found: &mut Vec<TypeParamBound>) {
    let is_unsized = |bound: &TypeParamBound| matches!(bound, TypeParamBound::Trait(bound) if bound.maybe.is_some());
    let (taken, kept): (Vec<_>, Vec<_>) = std::mem::take(bounds).into_iter().partition(is_unsized);
    bounds.extend(kept);
    found.extend(taken);
}
