//! What the user has said about lints, for the places where the expansion repeats what the user has written.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Data, Meta};

use super::generated;
use crate::model::Model;

/// The attributes that make lints milder, of the struct and its fields or variants.
///
/// Those that make them stricter are left out: what they find is found in the struct itself.
pub(crate) fn of(model: &Model<'_>) -> TokenStream {
    let item = model.item.attrs.iter();
    match &model.item.data {
        Data::Struct(data) => item
            .chain(data.fields.iter().flat_map(|field| &field.attrs))
            .filter_map(milder)
            .collect(),
        Data::Enum(data) => item
            .chain(data.variants.iter().flat_map(|variant| &variant.attrs))
            .filter_map(milder)
            .collect(),
        Data::Union(_) => TokenStream::new(),
    }
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

fn milder(attr: &Attribute) -> Option<TokenStream> {
    if attr.path().is_ident("allow") || attr.path().is_ident("warn") {
        // As it is: what the compiler has to say about the attribute itself, it then says once.
        return Some(attr.to_token_stream());
    }
    match &attr.meta {
        // The struct alone has to do what is expected.
        Meta::List(list) if list.path.is_ident("expect") => {
            let tokens = generated(&list.tokens);
            Some(quote!(#[allow(#tokens)]))
        }
        _ => None,
    }
}
