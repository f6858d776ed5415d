//! `Self` in the types of the fields.
//!
//! They are written again inside the view, where `Self` would be the view. So the struct's own name is put in its place.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{DeriveInput, Type};

/// Writes the struct's name for each `Self` in the types of its fields and in its where clause.
pub(crate) fn name_self(item: &mut DeriveInput) {
    let (ident, generics) = (item.ident.clone(), item.generics.clone());
    let (_, arguments, _) = generics.split_for_impl();
    // With the colons it is right in types and in lengths alike.
    let arguments = arguments.as_turbofish().to_token_stream();
    let replaced = |tokens: TokenStream| replace(tokens, &ident, &arguments);
    if let syn::Data::Struct(data) = &mut item.data {
        for field in &mut data.fields {
            let tokens = field.ty.to_token_stream();
            if mentions(tokens.clone())
                && let Ok(ty) = syn::parse2::<Type>(replaced(tokens))
            {
                field.ty = ty;
            }
        }
    }
    if let Some(clause) = &mut item.generics.where_clause {
        let tokens = clause.to_token_stream();
        if mentions(tokens.clone())
            && let Ok(named) = syn::parse2(replaced(tokens))
        {
            *clause = named;
        }
    }
}

fn mentions(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "Self",
        TokenTree::Group(group) => mentions(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

fn replace(tokens: TokenStream, name: &Ident, arguments: &TokenStream) -> TokenStream {
    let mut named = TokenStream::new();
    for token in tokens {
        match token {
            TokenTree::Ident(ident) if ident == "Self" => {
                // At the place of `Self`, which is what a message about it has to underline.
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
