//! Replaces `Self` in the types of the fields by the struct's own name.
//!
//! The view repeats these types, and there `Self` would be the view.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{DeriveInput, Type};

/// Replaces `Self` by the struct's name in the types of its fields and in its where clause.
pub(crate) fn name_self(item: &mut DeriveInput) {
    let (ident, generics) = (item.ident.clone(), item.generics.clone());
    let (_, arguments, _) = generics.split_for_impl();
    // A turbofish is valid in types and in lengths.
    let arguments = arguments.as_turbofish().to_token_stream();
    let replaced = |tokens: TokenStream| replace(tokens, &ident, &arguments);
    if let syn::Data::Struct(data) = &mut item.data {
        for field in &mut data.fields {
            let tokens = field.ty.to_token_stream();
            if contains_self(tokens.clone())
                && let Ok(ty) = syn::parse2::<Type>(replaced(tokens))
            {
                field.ty = ty;
            }
        }
    }
    if let Some(clause) = &mut item.generics.where_clause {
        let tokens = clause.to_token_stream();
        if contains_self(tokens.clone())
            && let Ok(named) = syn::parse2(replaced(tokens))
        {
            *clause = named;
        }
    }
}

fn contains_self(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "Self",
        TokenTree::Group(group) => contains_self(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

fn replace(tokens: TokenStream, name: &Ident, arguments: &TokenStream) -> TokenStream {
    let mut named = TokenStream::new();
    for token in tokens {
        match token {
            TokenTree::Ident(ident) if ident == "Self" => {
                // At the span of `Self`, which an error about it underlines.
                let mut name = name.clone();
                name.set_span(ident.span());
                named.extend([TokenTree::Ident(name)]);
                named.extend(arguments.clone());
            }
            TokenTree::Group(group) => {
                let mut inner =
                    Group::new(group.delimiter(), replace(group.stream(), name, arguments));
                inner.set_span(group.span());
                named.extend([TokenTree::Group(inner)]);
            }
            other => named.extend([other]),
        }
    }
    named
}
