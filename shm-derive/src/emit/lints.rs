//! The user's lint levels, for code of the expansion that repeats the user's code.

use std::collections::HashSet;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::{Attribute, Data, Meta, Token};

use super::generated;
use crate::model::Model;

/// The attributes of the struct and its fields or variants that lower lint levels, each lint once.
///
/// Attributes that raise levels are left out: the struct itself triggers what they find.
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

/// An attribute that allows uses of deprecated fields, if there are any. Without them it is left out, because in a
/// crate that forbids `deprecated` it is an error.
pub(crate) fn deprecated_fields(model: &Model<'_>) -> Option<TokenStream> {
    let Data::Struct(data) = &model.item.data else {
        return None;
    };
    let mut attrs = data.fields.iter().flat_map(|field| &field.attrs);
    attrs
        .any(|attr| attr.path().is_ident("deprecated"))
        .then(|| quote!(#[allow(deprecated)]))
}

/// The attribute, without the lints in `seen`.
fn milder(attr: &Attribute, seen: &mut HashSet<String>) -> Option<TokenStream> {
    let Meta::List(list) = &attr.meta else {
        return None;
    };
    let is_expected = list.path.is_ident("expect");
    if !is_expected && !list.path.is_ident("allow") && !list.path.is_ident("warn") {
        return None;
    }
    // Only the struct itself has to meet the expectation.
    let level = if is_expected {
        quote!(allow)
    } else {
        list.path.to_token_stream()
    };
    let Ok(lints) = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) else {
        // The compiler then reports the malformed attribute once.
        return Some(attr.to_token_stream());
    };
    let mut lost = false;
    // Reasons may repeat.
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
        // Unchanged.
        Some(attr.to_token_stream())
    }
}
