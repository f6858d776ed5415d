//! Writes the expansion. Nothing here can fail.
//!
//! Everything but the checks is in one `const _`, so that its names cannot collide with the user's. Names inside
//! differ from every identifier in the struct, and all paths are absolute.
//!
//! Two groups of checks look redundant, but are walls: [`view::same_struct`] against attribute macros, which run
//! after the derive and can change the struct that it has read, and [`view::type_check`] against macros in the types
//! of fields, which can expand differently inside the view. Without them safe code could make a view that does not
//! match its struct.

mod layout;
mod lints;
mod view;

use std::collections::HashSet;

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{Path, parse_quote};

use crate::bound::{self, Deciding};
use crate::model::{Model, Shape};

/// The names in the expansion that are not the user's.
struct Names {
    krate: Path,
    view: Ident,
    access: Ident,
    /// A parameter cannot have the name of a static, and a constant's name would be a pattern. Hygiene does not help,
    /// so these names are unlikely ones.
    payload: Ident,
    tail: Ident,
    /// The user's lint levels.
    lints: TokenStream,
}

impl Names {
    fn new(model: &Model<'_>) -> Self {
        let mut taken = HashSet::new();
        collect(model.item.to_token_stream(), &mut taken);
        // A macro can expand to any name, so next to one the names have to be unlikely.
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

/// Whether the type of a field calls a macro, whose expansion is unknown here.
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
                // `r#Access` and `Access` are the same name.
                into.insert(ident.unraw().to_string());
            }
            TokenTree::Group(group) => collect(group.stream(), into),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// `wish`, with underscores appended until it is not in `taken`.
fn free(wish: &str, taken: &HashSet<String>) -> Ident {
    let mut name = wish.to_owned();
    while taken.contains(&name) {
        name.push('_');
    }
    Ident::new(&name, Span::call_site())
}

/// A span at the location of `span` that belongs to the expansion, so that lints do not blame the user for it.
fn at(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// Whether the struct has an attribute that could be a macro, which runs after the derive. Helper attributes of other
/// derives look the same, and an import can give the name `derive` to another macro.
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

/// `path` at another span: an error about an expression underlines all of its tokens, also those of the path.
fn respan(path: &Path, span: Span) -> TokenStream {
    path.to_token_stream()
        .into_iter()
        .map(|mut token| {
            token.set_span(span);
            token
        })
        .collect()
}

/// The tokens at their locations, but belonging to the expansion: see [`at`].
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

/// `ident` at another span.
fn moved(ident: &Ident, span: Span) -> Ident {
    let mut ident = ident.clone();
    ident.set_span(span);
    ident
}

/// The whole expansion, including the `errors` of the checks.
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
    // An error inside the constant makes the compiler skip it silently wherever it is used. Otherwise the compiler
    // would compute the layout of everything around a recursive struct, and report the cycle again.
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
        // A pointer to a struct that ends in a slice has the slice's length as metadata.
        (
            quote!(#tail),
            quote!(#krate::__private::slice_from_raw_parts(#payload, #tail) as *const #view #view_args),
        )
    } else {
        (quote!(_), quote!(#payload.cast()))
    };
    let stored = stored_types(model, krate);
    // Belongs to the expansion, so that a deprecated struct does not warn about it.
    let ident = moved(model.ident, at(model.ident.span()));
    let (decides, layout_trait, [view_name, layout_name, view_at]) = refusable(model, krate);
    quote! {
        #before
        #lints
        const _: () = {
            #view_item

            #decides

            #[automatically_derived]
            unsafe impl #impl_generics #layout_trait for #ident #ty_generics #where_clause {
                type #view_name<#access: #krate::Access> = #view #view_args;
                const #layout_name: &'static #krate::TypeLayout = #layout;
                #[inline(always)]
                fn #view_at<#access: #krate::Access>(
                    #payload: *const (),
                    #tail_arg: ::core::primitive::usize,
                ) -> *const #view #view_args {
                    #address
                }
            }

            #stored
        };
        #padding
        #pin
        #same_types
        #same_struct
    }
}

/// The trait to implement, and the names of its view, constant and function.
///
/// An instance of a generic struct can be refused because of an argument. Such a struct has no `ShmLayout` of its own, but an
/// implementation that names the argument, and one that the library's `ShmLayout` for all such types requires.
fn refusable(model: &Model<'_>, krate: &Path) -> (Option<TokenStream>, TokenStream, [Ident; 3]) {
    let names = |names: [&str; 3]| names.map(|name| Ident::new(name, Span::call_site()));
    let arguments: Vec<_> = bound::deciding(model)
        .iter()
        .map(|deciding| match deciding {
            Deciding::Itself(param) => quote!(#param),
            Deciding::AssociatedType(param) => {
                quote!(#krate::diagnostics::AssociatedTypeOf<#param>)
            }
        })
        .collect();
    let argument = match arguments.as_slice() {
        [] => {
            let layout = quote!(#krate::ShmLayout);
            return (None, layout, names(["View", "LAYOUT", "view_at"]));
        }
        [only] => only.clone(),
        several => quote!(#krate::diagnostics::OneOf<(#(#several),*)>),
    };
    // The bounds are the struct's own, so that this also holds for an instance that is refused.
    let (impl_generics, _, where_clause) = model.generics.split_for_impl();
    let (ident, arguments) = (moved(model.ident, at(model.ident.span())), &model.arguments);
    let implementation = quote! {
        #[automatically_derived]
        unsafe impl #impl_generics #krate::diagnostics::Refusable for #ident #arguments #where_clause {
            type Argument = #argument;
            type Reason = #krate::diagnostics::Arguments;
        }
    };
    let shared_with =
        quote!(#krate::diagnostics::SharedWith<#argument, #krate::diagnostics::Arguments>);
    (
        Some(implementation),
        shared_with,
        names(["SharedView", "SHARED_LAYOUT", "shared_view_at"]),
    )
}

/// Names the types that a generic struct stores, for the message about an instance that is refused.
fn stored_types(model: &Model<'_>, krate: &Path) -> Option<TokenStream> {
    let types = match bound::stored_types(model).as_slice() {
        [] => return None,
        [only] => generated(only),
        several => {
            let several = several.iter().map(generated);
            quote!((#(#several),*))
        }
    };
    // The bounds are the struct's own, so that this also holds for an instance that is refused.
    let (impl_generics, _, where_clause) = model.generics.split_for_impl();
    let (ident, arguments) = (moved(model.ident, at(model.ident.span())), &model.arguments);
    Some(quote! {
        #[automatically_derived]
        impl #impl_generics #krate::__private::ListsStored for #ident #arguments #where_clause {}

        #[automatically_derived]
        impl #impl_generics #krate::__private::Stores<#krate::__private::StoredTypes<#types>>
            for #ident #arguments #where_clause {}
    })
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
    // A generic enum has no instance to check.
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

/// The implementation after an error that leaves no usable fields, so that uses of the type cause no errors of their
/// own.
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
    // Cells of enums have methods, also those of a refused enum.
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
