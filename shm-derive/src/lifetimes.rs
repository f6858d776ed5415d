//! The struct's lifetimes. They are errors; the other checks run as if they were not there.

use std::collections::HashSet;

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    DeriveInput, GenericArgument, GenericParam, Generics, LifetimeParam, PathArguments, Type,
    WherePredicate,
};

use crate::diagnose;
use crate::ty::ungroup;

/// The lifetimes that were removed from a struct.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) number: usize,
    /// Those that no error at a field accounts for.
    pub(crate) unreported: Vec<LifetimeParam>,
}

/// Removes the lifetimes from the generics and from references in fields, which a check then reports. Elsewhere they
/// become `'static`.
pub(crate) fn take(item: &mut DeriveInput) -> Taken {
    let mut unreported: Vec<_> = item.generics.lifetimes().cloned().collect();
    if unreported.is_empty() {
        return Taken::default();
    }
    let number = unreported.len();
    let names = unreported
        .iter()
        .map(|param| param.lifetime.ident.clone())
        .collect();
    if let syn::Data::Struct(data) = &mut item.data {
        for field in &mut data.fields {
            let mut reported = elide(&mut field.ty, &names);
            if let Some(found) = diagnose::refused_by_name(&field.ty) {
                collect(found.to_token_stream(), &names, &mut reported);
            }
            unreported.retain(|param| !reported.contains(&param.lifetime.ident));
            if let Ok(ty) = syn::parse2(made_static(field.ty.to_token_stream(), &names)) {
                field.ty = ty;
            }
        }
    }
    let generics = &mut item.generics;
    generics.params = std::mem::take(&mut generics.params)
        .into_iter()
        .filter(|param| !matches!(param, GenericParam::Lifetime(_)))
        .filter_map(|param| {
            syn::parse2::<GenericParam>(made_static(param.to_token_stream(), &names)).ok()
        })
        .collect();
    if let Some(clause) = &mut generics.where_clause {
        clause.predicates = std::mem::take(&mut clause.predicates)
            .into_iter()
            .filter(|predicate| !matches!(predicate, WherePredicate::Lifetime(_)))
            .filter_map(|predicate| {
                syn::parse2::<WherePredicate>(made_static(predicate.to_token_stream(), &names)).ok()
            })
            .collect();
    }
    Taken { number, unreported }
}

/// Removes the lifetimes `names` from references in `ty`, where [`without_lifetime`] finds them, and returns those
/// removed.
fn elide(ty: &mut Type, names: &HashSet<Ident>) -> HashSet<Ident> {
    let mut found = HashSet::new();
    elide_into(ty, names, &mut found);
    found
}

fn elide_into(ty: &mut Type, names: &HashSet<Ident>, found: &mut HashSet<Ident>) {
    match ty {
        Type::Reference(reference) => {
            if let Some(lifetime) = reference
                .lifetime
                .take_if(|lifetime| names.contains(&lifetime.ident))
            {
                found.insert(lifetime.ident);
            }
            elide_into(&mut reference.elem, names, found);
        }
        Type::Ptr(pointer) => elide_into(&mut pointer.elem, names, found),
        Type::Array(array) => elide_into(&mut array.elem, names, found),
        Type::Slice(slice) => elide_into(&mut slice.elem, names, found),
        Type::Paren(inner) => elide_into(&mut inner.elem, names, found),
        Type::Group(inner) => elide_into(&mut inner.elem, names, found),
        Type::Tuple(tuple) => {
            for elem in &mut tuple.elems {
                elide_into(elem, names, found);
            }
        }
        Type::Path(path) => {
            let last = path.path.segments.last_mut();
            let Some(PathArguments::AngleBracketed(list)) = last.map(|last| &mut last.arguments)
            else {
                return;
            };
            for argument in &mut list.args {
                if let GenericArgument::Type(ty) = argument {
                    elide_into(ty, names, found);
                }
            }
        }
        _ => {}
    }
}

/// The first reference in a field's type that has no lifetime: the type itself, or one of its arguments.
pub(crate) fn without_lifetime(ty: &Type) -> Option<&Type> {
    let ty = ungroup(ty);
    match ty {
        Type::Reference(reference) if reference.lifetime.is_none() => Some(ty),
        Type::Reference(reference) => without_lifetime(&reference.elem),
        Type::Ptr(pointer) => without_lifetime(&pointer.elem),
        Type::Array(array) => without_lifetime(&array.elem),
        Type::Slice(slice) => without_lifetime(&slice.elem),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(without_lifetime),
        _ => diagnose::arguments(ty)
            .into_iter()
            .find_map(without_lifetime),
    }
}

/// Adds to `found` each of `names` that is a lifetime in `tokens`.
fn collect(tokens: TokenStream, names: &HashSet<Ident>, found: &mut HashSet<Ident>) {
    let mut is_lifetime = false;
    for token in tokens {
        let was_apostrophe = std::mem::replace(&mut is_lifetime, is_apostrophe(&token));
        match token {
            TokenTree::Ident(ident) if was_apostrophe && names.contains(&ident) => {
                found.insert(ident);
            }
            TokenTree::Group(group) => collect(group.stream(), names, found),
            _ => {}
        }
    }
}

fn is_apostrophe(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == '\'')
}

/// The arguments with which to name the struct, with `'static` for each of `taken` lifetimes.
pub(crate) fn arguments(taken: usize, generics: &Generics) -> TokenStream {
    let statics = std::iter::repeat_n(quote!('static), taken);
    let arguments: Vec<_> = statics.chain(named(generics)).collect();
    if arguments.is_empty() {
        TokenStream::new()
    } else {
        quote!(<#(#arguments),*>)
    }
}

/// The names of the parameters.
pub(crate) fn named(generics: &Generics) -> impl Iterator<Item = TokenStream> {
    generics.params.iter().map(|param| match param {
        GenericParam::Lifetime(param) => param.lifetime.to_token_stream(),
        GenericParam::Type(param) => param.ident.to_token_stream(),
        GenericParam::Const(param) => param.ident.to_token_stream(),
    })
}

/// `tokens` with `'static` for each lifetime in `names`.
fn made_static(tokens: TokenStream, names: &HashSet<Ident>) -> TokenStream {
    let mut is_lifetime = false;
    tokens
        .into_iter()
        .map(|token| {
            let was_apostrophe = std::mem::replace(&mut is_lifetime, is_apostrophe(&token));
            match token {
                // At the span of the old name, which an error about it underlines.
                TokenTree::Ident(ident) if was_apostrophe && names.contains(&ident) => {
                    TokenTree::Ident(Ident::new("static", ident.span()))
                }
                TokenTree::Group(group) => {
                    let mut inner =
                        Group::new(group.delimiter(), made_static(group.stream(), names));
                    inner.set_span(group.span());
                    TokenTree::Group(inner)
                }
                other => other,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn names<'a>(params: impl IntoIterator<Item = &'a LifetimeParam>) -> Vec<String> {
        params
            .into_iter()
            .map(|param| param.lifetime.to_string())
            .collect()
    }

    #[test]
    fn taken_lifetimes_leave_no_trace() {
        let mut item: DeriveInput = parse_quote! {
            struct S<'a, 'b: 'a, T: Of<'b> + 'a, const N: usize>
            where
                'a: 'b,
                T: Other<'a>
            {
                text: &'a [Text<'b, str>; N],
                call: for<'c> fn(&'c u8, &'a T) -> &'c u8,
            }
        };
        let taken = take(&mut item);
        assert_eq!(taken.number, 2);
        let left: DeriveInput = parse_quote! {
            struct S<T: Of<'static> + 'static, const N: usize>
            where
                T: Other<'static>
            {
                text: &[Text<'static, str>; N],
                call: for<'c> fn(&'c u8, &'static T) -> &'c u8,
            }
        };
        assert_eq!(
            item.to_token_stream().to_string(),
            left.to_token_stream().to_string()
        );
        assert_eq!(
            arguments(2, &item.generics).to_string(),
            quote!(<'static, 'static, T, N>).to_string()
        );
        assert_eq!(arguments(0, &Generics::default()).to_string(), "");
    }

    #[test]
    fn a_lifetime_is_reported_once() {
        let mut item: DeriveInput = parse_quote! {
            struct S<'a, 'b, 'c, 'd, 'e, T: 'a> {
                of: [PhantomData<&'a T>; 2],
                name: Cow<'b, str>,
                other: Other<'c>,
                pair: Pair<u64, (u8, &'d mut T)>,
                function: PhantomData<fn(&'e T)>,
            }
        };
        let taken = take(&mut item);
        assert_eq!(names(&taken.unreported), ["'c", "'e"]);
        let syn::Data::Struct(data) = &item.data else {
            panic!("it is a struct");
        };
        let found: Vec<_> = data
            .fields
            .iter()
            .map(|field| without_lifetime(&field.ty).is_some())
            .collect();
        assert_eq!(found, [true, false, false, true, false]);
    }
}
