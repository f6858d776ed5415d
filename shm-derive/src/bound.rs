//! Bounds on the struct's type parameters.

use syn::punctuated::Punctuated;
use syn::{
    GenericParam, Generics, Path, Token, Type, TypeParamBound, TypePath, WherePredicate,
    parse_quote, parse_quote_spanned,
};

use crate::culprit::{self, is_type_parameter};
use crate::model::Model;
use crate::spelled::innermost;

/// The struct's generics for the implementation: each type parameter is a [`ShmLayout`] itself, and so is each field's type
/// that a parameter leads to, such as `T::Item` or `ShmVec<T::Item, 4>`. Defaults are gone.
pub(crate) fn of_struct(model: &Model<'_>, krate: &Path) -> Generics {
    let mut generics = shareable(model.generics, krate);
    for field in model.fields.iter().filter(|field| !field.refused) {
        let ty = innermost(field.ty);
        // Where the library's names mislead, this asks for no more than what the layout needs in any case.
        if is_associated(ty, model.generics)
            || culprit::contained(ty).is_some_and(|ty| is_associated(innermost(ty), model.generics))
        {
            generics
                .make_where_clause()
                .predicates
                .push(parse_quote!(#ty: #krate::ShmLayout));
        }
    }
    generics
}

/// Whether it is an associated type of a type parameter, or of such a type.
fn is_associated(ty: &Type, generics: &Generics) -> bool {
    let Type::Path(TypePath { qself, path, .. }) = ty else {
        return false;
    };
    match qself {
        Some(of) => is_type_parameter(&of.ty, generics) || is_associated(&of.ty, generics),
        None => {
            path.segments.len() > 1
                && path.leading_colon.is_none()
                && generics
                    .type_params()
                    .any(|param| path.segments[0].ident == param.ident)
        }
    }
}

/// The generics for the implementation: each type parameter is a [`ShmLayout`] itself, defaults are gone.
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
