//! What the user has said about lints, for the places where the expansion repeats what the user has written.

use std::collections::HashSet;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::{Attribute, Data, Meta, Token};

use super::generated;
use crate::model::Model;

/// The attributes that make lints milder, of the struct and its fields or variants, each lint in one of them.
///
/// Those that make them stricter are left out: what they find is found in the struct itself.
pub(crate) fn of(model: &Model<'_>) -> TokenStream {
    let parts: Vec<_> = match &model.item.data {
        Data::Struct(data) => data.fields.iter().flat_map(|field| &field.attrs).collect(),
        Data::Enum(data) => data
            .variants
            .iter()
            .flat_map(|variant| &variant.attrs)
            .collect(),
        Data::Union(_) => return TokenStream::new(),
    };
    let mut seen = HashSet::new();
    model
        .item
        .attrs
        .iter()
        .chain(parts)
        .filter_map(|attr| milder(attr, &mut seen))
        .collect()
}

/// What allows to name fields that the user has deprecated. Nothing is there without need: in a crate that forbids what is
/// deprecated, allowing it is an error.
pub(crate) fn deprecated_fields(model: &Model<'_>) -> Option<TokenStream> {
    let Data::Struct(data) = &model.item.data else {
        return None;
    };
    let mut attrs = data.fields.iter().flat_map(|field| &field.attrs);
    attrs
        .any(|attr| attr.path().is_ident("deprecated"))
        .then(|| quote!(#[allow(deprecated)]))
}

/// The attribute with what nobody has `seen` yet.
fn milder(attr: &Attribute, seen: &mut HashSet<String>) -> Option<TokenStream> {
    let Meta::List(list) = &attr.meta else {
        return None;
    };
    let is_expected = list.path.is_ident("expect");
    if !is_expected && !list.path.is_ident("allow") && !list.path.is_ident("warn") {
        return None;
    }
    // The struct alone has to do what is expected.
    let level = if is_expected {
        quote!(allow)
    } else {
        list.path.to_token_stream()
    };
    let Ok(lints) = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) else {
        // What the compiler has to say about the attribute itself, it then says once.
        return Some(attr.to_token_stream());
    };
    let mut lost = false;
    // Of reasons there may be as many as there are attributes.
    let kept: Vec<_> = lints
        .iter()
        .filter(|lint| {
            let is_new = lint.path().is_ident("reason")
                || seen.insert(format!("{level} {}", lint.to_token_stream()));
            lost |= !is_new;
            is_new
        })
        .collect();
    if !kept.iter().any(|lint| !lint.path().is_ident("reason")) {
        return None;
    }
    if is_expected {
        let kept = generated(quote!(#(#kept),*));
        Some(quote!(#[allow(#kept)]))
    } else if lost {
        Some(quote!(#[#level(#(#kept),*)]))
    } else {
        // As it is.
        Some(attr.to_token_stream())
    }
}
