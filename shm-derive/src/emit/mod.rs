//! Writing the expansion. Nothing here can fail.
//!
//! Everything but the padding checks lies in one `const _`, so that no name of it can meet one of the user's. Names
//! inside are chosen to differ from every identifier in the struct; all paths are absolute.

mod layout;
mod lints;
mod view;

use std::collections::HashSet;

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{Path, parse_quote};

use crate::bound;
use crate::model::{Model, Shape};

/// The names that the expansion uses besides the user's.
struct Names {
    krate: Path,
    view: Ident,
    access: Ident,
    /// No parameter may have the name of a static, and a constant's name in its place would be a pattern. Hygiene does
    /// not help with either, so these are names that nobody gives.
    payload: Ident,
    tail: Ident,
    /// What the user has said about lints.
    lints: TokenStream,
}

impl Names {
    fn new(model: &Model<'_>) -> Self {
        let mut taken = HashSet::new();
        collect(model.item.to_token_stream(), &mut taken);
        // A macro can stand for any name, so beside one these have to be names that nobody gives.
        let prefix = if calls_macros(model) { "__Shm" } else { "" };
        Self {
            krate: model
                .attr
                .krate
                .clone()
                .unwrap_or_else(|| parse_quote!(::shm_core)),
            view: free(&format!("{prefix}{}View", model.ident.unraw()), &taken),
            access: free(&format!("{prefix}Access"), &taken),
            payload: free("__shm_payload", &taken),
            tail: free("__shm_tail", &taken),
            lints: lints::of(model),
        }
    }
}

/// Whether a macro is called in the type of a field: what it stands for is not to be seen here.
fn calls_macros(model: &Model<'_>) -> bool {
    fn any(tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Punct(punct) => punct.as_char() == '!',
            TokenTree::Group(group) => any(group.stream()),
            TokenTree::Ident(_) | TokenTree::Literal(_) => false,
        })
    }
    model
        .fields
        .iter()
        .any(|field| any(field.ty.to_token_stream()))
}

fn collect(tokens: TokenStream, into: &mut HashSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                // `r#Access` and `Access` are one name.
                into.insert(ident.unraw().to_string());
            }
            TokenTree::Group(group) => collect(group.stream(), into),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// `wish`, lengthened until the struct has no identifier of that name.
fn free(wish: &str, taken: &HashSet<String>) -> Ident {
    let mut name = wish.to_owned();
    while taken.contains(&name) {
        name.push('_');
    }
    Ident::new(&name, Span::call_site())
}

/// A span at the place of `span`, but belonging to the expansion: lints about generated code do not blame the user.
fn at(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// Whether the struct has an attribute that could be a macro, which runs after the derive. Those of other derives look
/// the same, and `derive` itself is a name that an import can give to another macro.
fn has_unknown_attribute(model: &Model<'_>) -> bool {
    const KNOWN: [&str; 15] = [
        "allow",
        "automatically_derived",
        "cfg",
        "cfg_attr",
        "cold",
        "deny",
        "deprecated",
        "doc",
        "expect",
        "forbid",
        "must_use",
        "non_exhaustive",
        "repr",
        "shm",
        "warn",
    ];
    model
        .item
        .attrs
        .iter()
        .any(|attr| !KNOWN.iter().any(|known| attr.path().is_ident(known)))
}

/// `path` at another place: the span of an error reaches over all tokens of the expression, the path's too.
fn respan(path: &Path, span: Span) -> TokenStream {
    path.to_token_stream()
        .into_iter()
        .map(|mut token| {
            token.set_span(span);
            token
        })
        .collect()
}

/// The tokens at their places, but belonging to the expansion: see [`at`].
fn generated(tokens: impl ToTokens) -> TokenStream {
    tokens
        .into_token_stream()
        .into_iter()
        .map(|mut token| {
            if let TokenTree::Group(group) = &mut token {
                let span = at(group.span());
                *group = Group::new(group.delimiter(), generated(group.stream()));
                group.set_span(span);
            }
            token.set_span(at(token.span()));
            token
        })
        .collect()
}

/// `ident` again, at another place.
fn moved(ident: &Ident, span: Span) -> Ident {
    let mut ident = ident.clone();
    ident.set_span(span);
    ident
}

/// The whole expansion, with the `errors` that the checks have found.
pub(crate) fn expansion(model: &Model<'_>, errors: TokenStream) -> TokenStream {
    let names = Names::new(model);
    let sound = errors.is_empty() && model.fields.iter().all(|field| !field.refused);
    match model.shape {
        Shape::Enum if sound => return enumeration(model, &names),
        Shape::Named | Shape::Tuple if !model.fields.is_empty() => {}
        _ => {
            let refused = refused(model, &names);
            return quote!(#errors #refused);
        }
    }
    let Names {
        krate,
        view,
        access,
        payload,
        tail,
        lints,
    } = &names;
    // An error inside the constant makes it one that the compiler passes over in silence, wherever it is used. Without that it
    // would go on to compute the layout of everything around such a struct, and report the cycle again.
    let (inside, before) = if model.recursive {
        (errors, TokenStream::new())
    } else {
        (TokenStream::new(), errors)
    };
    let view_item = view::item(model, &names);
    let (layout, padding) = (
        layout::constant(model, &names, sound, inside),
        layout::padding_checks(model, &names, sound),
    );

    let pin = layout::pin_check(model, &names, sound);
    let same_types = if sound && calls_macros(model) {
        view::type_check(model, &names)
    } else {
        TokenStream::new()
    };

    let same_struct = if sound && has_unknown_attribute(model) {
        view::same_struct(model, &names)
    } else {
        TokenStream::new()
    };

    let generics = bound::of_struct(model, krate);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let ty_generics = &model.arguments;
    let view_args = view::arguments(model, &names);
    let ends_in_slice =
        model.tail().is_some() && model.fields.last().is_some_and(|last| !last.refused);
    let (tail_arg, address) = if ends_in_slice {
        // A pointer to a struct with a slice at its end has the slice's length as its metadata.
        (
            quote!(#tail),
            quote!(#krate::__private::slice_from_raw_parts(#payload, #tail) as *const #view #view_args),
        )
    } else {
        (quote!(_), quote!(#payload.cast()))
    };
    // At the call site, so that a deprecated struct does not warn about its own expansion.
    let ident = moved(model.ident, at(model.ident.span()));
    quote! {
        #before
        #lints
        const _: () = {
            #view_item

            #[automatically_derived]
            unsafe impl #impl_generics #krate::ShmLayout for #ident #ty_generics #where_clause {
                type View<#access: #krate::Access> = #view #view_args;
                const LAYOUT: &'static #krate::TypeLayout = #layout;
                #[inline(always)]
                fn view_at<#access: #krate::Access>(
                    #payload: *const (),
                    #tail_arg: ::core::primitive::usize,
                ) -> *const #view #view_args {
                    #address
                }
            }
        };
        #padding
        #pin
        #same_types
        #same_struct
    }
}

/// The implementation for an enum that has passed the checks.
fn enumeration(model: &Model<'_>, names: &Names) -> TokenStream {
    let Names {
        krate,
        access,
        payload,
        lints,
        ..
    } = names;
    let (layout, pin) = (
        layout::enumeration(model, names),
        layout::pin_check(model, names, true),
    );
    // Of a generic enum there is no instance to ask.
    let drop = (!model.is_generic()).then(|| layout::drop_check(model, names));
    let (impl_generics, ty_generics, where_clause) = model.generics.split_for_impl();
    let ident = moved(model.ident, at(model.ident.span()));
    quote! {
        #lints
        #[automatically_derived]
        unsafe impl #impl_generics #krate::ShmLayout for #ident #ty_generics #where_clause {
            type View<#access: #krate::Access> = #krate::__private::Checked;
            const LAYOUT: &'static #krate::TypeLayout = #layout;
            #[inline(always)]
            fn view_at<#access: #krate::Access>(
                #payload: *const (),
                _: ::core::primitive::usize,
            ) -> *const #krate::__private::Checked {
                #payload.cast()
            }
        }

        #[automatically_derived]
        unsafe impl #impl_generics #krate::cell::CheckedLeaf for #ident #ty_generics #where_clause {}

        #pin
        #drop
    }
}

/// After a mistake that leaves no fields to work with: an implementation all the same, so that uses of the type are
/// not reported as well.
fn refused(model: &Model<'_>, names: &Names) -> TokenStream {
    let Names {
        krate,
        access,
        payload,
        lints,
        ..
    } = names;
    let generics = bound::shareable(model.generics, krate);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let arguments = &model.arguments;
    let ident = moved(model.ident, at(model.ident.span()));
    // The cells of an enum have methods, also of one that is to be mended.
    let (view, leaf) = if model.shape == Shape::Enum {
        let leaf = quote! {
            #[automatically_derived]
            unsafe impl #impl_generics #krate::cell::CheckedLeaf for #ident #arguments #where_clause {}
        };
        (quote!(Checked), leaf)
    } else {
        (quote!(Refused), TokenStream::new())
    };
    quote! {
        #lints
        #[automatically_derived]
        unsafe impl #impl_generics #krate::ShmLayout for #ident #arguments #where_clause {
            type View<#access: #krate::Access> = #krate::__private::#view;
            const LAYOUT: &'static #krate::TypeLayout = &#krate::__private::REFUSED;
            fn view_at<#access: #krate::Access>(
                #payload: *const (),
                _: ::core::primitive::usize,
            ) -> *const #krate::__private::#view {
                #payload.cast()
            }
        }

        #leaf
    }
}
