//! Bounds on the struct's type parameters.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{
    Data, DeriveInput, GenericParam, Generics, Path, Token, Type, TypeParamBound, TypePath,
    WherePredicate, parse_quote, parse_quote_spanned,
};

use crate::diagnose::{self, is_type_parameter};
use crate::model::{Field, Model};
use crate::ty::innermost;

/// The struct's generics for the implementation, without defaults. Each type parameter that a field stores is a
/// [`ShmLayout`], and so is each associated type of a parameter that a field stores, such as `T::Item` in `[T::Item; 2]` or
/// `ShmVec<T::Item, 4>`. Other parameters, such as that of a `PhantomData`, need no bound.
pub(crate) fn of_struct(model: &Model<'_>, krate: &Path) -> Generics {
    let mut generics = model.generics.clone();
    for param in generics.type_params_mut() {
        let is_stored = |field: &Field<'_>| stores(field.ty, &param.ident, model.generics);
        let span = param.ident.span();
        param.bounds.push(if model.fields.iter().any(is_stored) {
            parse_quote_spanned!(span => #krate::ShmLayout)
        } else {
            parse_quote_spanned!(span => 'static)
        });
    }
    for field in model.fields.iter().filter(|field| !field.refused) {
        let ty = innermost(field.ty);
        // If a name of the library is misleading, this bound is still one that the layout needs.
        if stores_associated(ty, model.generics) {
            generics
                .make_where_clause()
                .predicates
                .push(parse_quote!(#ty: #krate::ShmLayout));
        }
    }
    generics
}

/// A type parameter that decides, by its bound in [`of_struct`], whether an instance of the struct can be shared.
pub(crate) enum Deciding<'a> {
    /// A field stores it.
    Itself(&'a Ident),
    /// A field stores an associated type of it.
    AssociatedType(&'a Ident),
}

pub(crate) fn deciding<'a>(model: &Model<'a>) -> Vec<Deciding<'a>> {
    let fields = || model.fields.iter().filter(|field| !field.refused);
    let mut found = Vec::new();
    for param in model.generics.type_params().map(|param| &param.ident) {
        if (model.fields.iter()).any(|field| stores(field.ty, param, model.generics)) {
            found.push(Deciding::Itself(param));
        }
        if fields().map(|field| innermost(field.ty)).any(|ty| {
            stores_associated(ty, model.generics) && mentions(ty.to_token_stream(), param)
        }) {
            found.push(Deciding::AssociatedType(param));
        }
    }
    found
}

/// Whether `ty` is an associated type of a parameter, or a type of the library that contains one.
fn stores_associated(ty: &Type, generics: &Generics) -> bool {
    is_associated(ty, generics)
        || diagnose::contained(ty).is_some_and(|ty| is_associated(innermost(ty), generics))
}

/// The types of fields that depend on type parameters, each once, if an associated type is among them.
///
/// Where the struct is used with types that cannot be shared, the tokens do not show these types.
pub(crate) fn stored_types<'a>(model: &Model<'a>) -> Vec<&'a Type> {
    let mut found: Vec<&Type> = Vec::new();
    let fields = model.fields.iter().filter(|field| !field.refused);
    for ty in fields.map(|field| innermost(field.ty)) {
        let depends = || {
            let mut params = model.generics.type_params();
            params.any(|param| stores(ty, &param.ident, model.generics))
        };
        if !matches!(ty, Type::Macro(_))
            && !found.iter().any(|seen| are_equal(seen, ty))
            && (stores_associated(ty, model.generics) || depends())
        {
            found.push(ty);
        }
    }
    if !found.iter().any(|ty| stores_associated(ty, model.generics)) {
        found.clear();
    }
    found
}

fn are_equal(one: &Type, other: &Type) -> bool {
    one.to_token_stream().to_string() == other.to_token_stream().to_string()
}

/// Whether a value of `ty` contains one of the type parameter `param`, judging by its tokens. An argument of an
/// unknown type counts as contained.
fn stores(ty: &Type, param: &Ident, generics: &Generics) -> bool {
    let ty = innermost(ty);
    if diagnose::is_phantom(ty) || is_associated(ty, generics) {
        return false;
    }
    match ty {
        Type::Path(TypePath {
            qself: None, path, ..
        }) => {
            path.is_ident(param)
                || diagnose::arguments(ty)
                    .into_iter()
                    .any(|argument| stores(argument, param, generics))
        }
        // The expansion of a macro is unknown here.
        Type::Macro(_) => true,
        _ => mentions(ty.to_token_stream(), param),
    }
}

fn mentions(tokens: TokenStream, name: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == *name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// Whether `ty` is an associated type of a type parameter, or of such a type.
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

/// The generics for the implementation of a type without usable fields: each type parameter is a [`ShmLayout`],
/// without defaults.
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

/// Removes `?Sized` from the bounds of parameters that a field stores, and returns the removed bounds.
///
/// Fields have a size, so these bounds are errors. Without them the rest of the expansion compiles.
pub(crate) fn take_unsized(item: &mut DeriveInput) -> Vec<TypeParamBound> {
    let types: Vec<&Type> = match &item.data {
        Data::Struct(data) => data.fields.iter().map(|field| &field.ty).collect(),
        Data::Enum(_) | Data::Union(_) => Vec::new(),
    };
    let stored: Vec<Ident> = item
        .generics
        .type_params()
        .map(|param| &param.ident)
        .filter(|param| types.iter().any(|ty| stores(ty, param, &item.generics)))
        .cloned()
        .collect();
    let mut found = Vec::new();
    for param in item.generics.type_params_mut() {
        if stored.contains(&param.ident) {
            take(&mut param.bounds, &mut found);
        }
    }
    if let Some(clause) = &mut item.generics.where_clause {
        for predicate in &mut clause.predicates {
            if let WherePredicate::Type(predicate) = predicate
                && stored
                    .iter()
                    .any(|param| mentions(predicate.bounded_ty.to_token_stream(), param))
            {
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
