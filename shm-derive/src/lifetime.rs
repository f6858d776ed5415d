//! Lifetimes of the struct. They are a mistake, but not the last that is looked for: the rest goes on without them.

use std::collections::HashSet;

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{DeriveInput, GenericParam, Generics, LifetimeParam, WherePredicate};

/// Removes the lifetimes from the generics, writes `'static` for each where it is used, and returns them.
pub(crate) fn take(item: &mut DeriveInput) -> Vec<LifetimeParam> {
    let taken: Vec<_> = item.generics.lifetimes().cloned().collect();
    if taken.is_empty() {
        return taken;
    }
    let names = taken
        .iter()
        .map(|param| param.lifetime.ident.clone())
        .collect();
    if let syn::Data::Struct(data) = &mut item.data {
        for field in &mut data.fields {
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
    taken
}

/// The arguments with which the struct is named, in place of `taken` lifetimes `'static`.
pub(crate) fn arguments(taken: usize, generics: &Generics) -> TokenStream {
    let statics = std::iter::repeat_n(quote!('static), taken);
    let arguments: Vec<_> = statics.chain(named(generics)).collect();
    if arguments.is_empty() {
        TokenStream::new()
    } else {
        quote!(<#(#arguments),*>)
    }
}

/// The parameters by their names.
pub(crate) fn named(generics: &Generics) -> impl Iterator<Item = TokenStream> {
    generics.params.iter().map(|param| match param {
        GenericParam::Lifetime(param) => param.lifetime.to_token_stream(),
        GenericParam::Type(param) => param.ident.to_token_stream(),
        GenericParam::Const(param) => param.ident.to_token_stream(),
    })
}

/// `tokens` with `static` for each of the names that stands behind an apostrophe.
fn made_static(tokens: TokenStream, names: &HashSet<Ident>) -> TokenStream {
    let mut is_lifetime = false;
    tokens
        .into_iter()
        .map(|token| {
            let was_apostrophe = std::mem::replace(
                &mut is_lifetime,
                matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '\''),
            );
            match token {
                // At the place of the old name, which is what a message about it has to underline.
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

    #[test]
    fn what_is_left_speaks_of_no_lifetime_of_the_struct() {
        let mut item: DeriveInput = parse_quote! {
            struct S<'a, 'b: 'a, T: Of<'b> + 'a, const N: usize>
            where
                'a: 'b,
                T: Other<'a>
            {
                text: &'a [Cow<'b, str>; N],
                call: for<'c> fn(&'c u8, &'a T) -> &'c u8,
            }
        };
        let taken = take(&mut item);
        let names: Vec<_> = taken
            .iter()
            .map(|param| param.lifetime.to_string())
            .collect();
        assert_eq!(names, ["'a", "'b"]);
        let left: DeriveInput = parse_quote! {
            struct S<T: Of<'static> + 'static, const N: usize>
            where
                T: Other<'static>
            {
                text: &'static [Cow<'static, str>; N],
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
}
