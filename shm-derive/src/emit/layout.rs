//! `LAYOUT`, and the checks that point at padding.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Path, Type};

use super::{Names, at, has_unknown_attribute, moved, respan, view};
use crate::bound;
use crate::diagnose::{self, Ask};
use crate::model::Model;
use crate::size::{self, Padding};
use crate::ty::peeled;

/// The expression of `LAYOUT`.
///
/// Each field's type stands here in the one position where it meets a bound, as the user's own tokens: the compiler
/// then underlines all of it. Where a check has failed it is a constant all the same, with `errors` in it.
pub(crate) fn constant(
    model: &Model<'_>,
    names: &Names,
    sound: bool,
    errors: TokenStream,
) -> TokenStream {
    let krate = &names.krate;
    let fields = model
        .fields
        .iter()
        .filter(|field| !field.refused)
        .map(|field| {
            let name = &field.schema_name;
            let layout = of(field.ty, model, krate, view::may_have_no_size(field, model));
            quote!(#krate::__private::field(#name, #layout))
        });
    if !sound {
        let refused = quote!(#krate::__private::refused(&[#(#fields),*]));
        return if errors.is_empty() {
            refused
        } else {
            quote!({ #errors #refused })
        };
    }
    let (name, version, facts) = (plain(model.ident), model.attr.version, facts(krate));
    // All in the block: the compiler looks at each constant in `LAYOUT` itself, but at those in here in turn, and not at the
    // extent where a field has no layout.
    let parts = quote!(const { &#krate::__private::with_offsets([#(#fields),*], #facts) });
    let layout = if model.tail().is_some() {
        let align = model.repr.min_align();
        quote! {
            #krate::__private::unsized_structure(
                #name,
                #version,
                #align as ::core::primitive::usize,
                #parts,
            )
        }
    } else {
        quote!(#krate::__private::structure(#name, #version, #parts))
    };
    let layout = if model.attr.padding.is_some() {
        quote!(#krate::__private::with_gaps(#layout))
    } else {
        layout
    };
    if !model.is_generic() {
        return quote!(&#layout);
    }
    let instance = quote!(&#krate::__private::instance(#layout));
    if !has_unknown_attribute(model) {
        return instance;
    }
    let places = view::places(model, &quote!(Self), krate);
    quote!(#krate::__private::layout_with_offsets(const { #instance }, #places))
}

/// What the compiler says of the type: a constant that is found by its name, so that it is there for all types.
fn facts(krate: &Path) -> TokenStream {
    quote! {
        {
            use #krate::__private::NoExtent as _;
            #krate::__private::facts(
                <#krate::__private::Extent<Self>>::OF,
                <#krate::__private::Extent<Self>>::HAS_DROP,
                <#krate::__private::Extent<Self>>::IS_COPY,
                <#krate::__private::Extent<Self>>::SHM_IN_USE,
            )
        }
    }
}

/// The expression of `LAYOUT` for an enum, which has passed the checks.
pub(crate) fn enumeration(model: &Model<'_>, names: &Names) -> TokenStream {
    let (krate, name, int) = (&names.krate, plain(model.ident), &model.repr.int);
    let variants = model.variants.iter().map(|variant| {
        let (ident, name) = (&variant.ident, plain(&variant.ident));
        quote! {
            #krate::__private::variant::<Self, ::core::primitive::#int>(
                #name,
                &#krate::__private::ManuallyDrop::new(Self::#ident),
            )
        }
    });
    let facts = facts(krate);
    let layout = quote! {
        #krate::__private::enumeration::<Self, ::core::primitive::#int>(
            #name,
            #facts,
            const { &[#(#variants),*] },
        )
    };
    if model.is_generic() {
        quote!(&#krate::__private::instance(#layout))
    } else {
        quote!(&#layout)
    }
}

fn plain(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// The layout of a field's type.
///
/// An array of something that is not a plain number is taken apart, so that a mistake in the element is told with its
/// own reason. A type that `may_have_no_size` is asked through the trait that the view asks for its size: where that does
/// not hold, the two errors are the same, and the compiler tells one.
fn of(ty: &Type, model: &Model<'_>, krate: &Path, may_have_no_size: bool) -> TokenStream {
    let ty = peeled(ty);
    match ty {
        Type::Array(array) if size::extent(ty).is_none() => {
            let (element, len) = (of(&array.elem, model, krate, false), &array.len);
            // At the type, for an array that is too large.
            let span = at(array.bracket_token.span.join());
            let krate = respan(krate, span);
            quote_spanned!(span => const { &#krate::__private::array(#element, #len) })
        }
        Type::Slice(slice) => {
            let element = of(&slice.elem, model, krate, false);
            quote!(const { &#krate::__private::slice(#element) })
        }
        _ => {
            let why = quote!(#krate::diagnostics);
            let asked = if may_have_no_size || matches!(ty, Type::Macro(_)) {
                view::measured(ty, krate, "Asked")
            } else {
                ty.to_token_stream()
            };
            match diagnose::find(ty, model.generics) {
                Ask::Whole => quote!(<#asked as #why::Field>::LAYOUT),
                Ask::Several => quote!(<#asked as #why::SharedParts>::LAYOUT),
                Ask::Part(because, argument) => {
                    let because = format_ident!("{because}");
                    quote!(<#argument as #why::#because<#asked>>::LAYOUT)
                }
            }
        }
    }
}

/// A constant outside the implementation that fails if the layout is not the pinned one.
pub(crate) fn pin_check(model: &Model<'_>, names: &Names, sound: bool) -> TokenStream {
    let Some((fingerprint, span)) = model.attr.pin.filter(|_| sound) else {
        return TokenStream::new();
    };
    let span = at(span);
    let (krate, ident) = (respan(&names.krate, span), moved(model.ident, span));
    quote_spanned!(span => const _: () = #krate::__private::pinned::<#ident>(#fingerprint);)
}

/// A constant outside the implementation that fails if the type has a `Drop`.
pub(crate) fn drop_check(model: &Model<'_>, names: &Names) -> TokenStream {
    let span = at(model.ident.span());
    let (krate, ident) = (respan(&names.krate, span), moved(model.ident, span));
    quote_spanned!(span => const _: () = #krate::__private::no_drop::<#ident>();)
}

/// Constants outside the implementation that fail if there is padding, or a `Drop`. Where the tokens do not tell at which field it
/// begins, there is one at each: only the one at the first gap fails, and lists all of them.
pub(crate) fn padding_checks(model: &Model<'_>, names: &Names, sound: bool) -> TokenStream {
    // The padding of a generic struct depends on its arguments: it is looked at where there are some.
    if !sound {
        return TokenStream::new();
    }
    if model.is_generic() {
        return copy_conflict(model, names);
    }
    let elements = elements_check(model, names);
    let extents = model.fields.iter().map(|field| size::extent(field.ty));
    let (krate, ident) = (&names.krate, model.ident);
    // The names of the types may mislead, so that all of the struct is looked at in any case.
    let whole = |span: Span| {
        let (krate, ident) = (respan(krate, span), moved(ident, span));
        quote_spanned!(span => const _: () = #krate::__private::no_padding::<#ident>();)
    };
    let padding = match size::padding(extents, model.repr.min_align(), model.tail().is_some()) {
        Padding::None => whole(at(ident.span())),
        // Allowed, so that nothing is to be said about the field.
        Padding::After(_) if model.attr.padding.is_some() => whole(at(ident.span())),
        Padding::After(number) => whole(at(model.fields[number].span())),
        Padding::Unknown => (0..model.fields.len())
            .map(|number| {
                let span = at(model.fields[number].span());
                let (krate, ident) = (respan(krate, span), moved(ident, span));
                quote_spanned!(span => const _: () = #krate::__private::no_padding_after::<#ident>(#number);)
            })
            .chain(std::iter::once_with(|| drop_check(model, names)))
            .collect(),
    };
    let copy = copy_check(model, names);
    quote!(#padding #elements #copy)
}

/// A constant outside the implementation that fails if a struct with gaps is `Copy`.
fn copy_check(model: &Model<'_>, names: &Names) -> Option<TokenStream> {
    let span = at(model.attr.padding?);
    let (krate, ident) = (respan(&names.krate, span), moved(model.ident, span));
    Some(quote_spanned!(span => const _: () = #krate::__private::no_copy::<#ident>();))
}

/// The same for a generic struct, of which no instance is known: an implementation that conflicts with that of all `Copy`
/// types.
fn copy_conflict(model: &Model<'_>, names: &Names) -> TokenStream {
    let Some(span) = model.attr.padding.map(at) else {
        return TokenStream::new();
    };
    let (krate, ident) = (respan(&names.krate, span), moved(model.ident, span));
    let generics = bound::of_struct(model, &names.krate);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let arguments = &model.arguments;
    quote_spanned! {span =>
        #[automatically_derived]
        impl #impl_generics #krate::diagnostics::CopyOrPadding for #ident #arguments #where_clause {}
    }
}

/// A constant outside the implementation that fails if the struct ends in a slice whose elements have no bytes.
fn elements_check(model: &Model<'_>, names: &Names) -> Option<TokenStream> {
    let element = model.tail()?;
    if size::extent(element).is_some_and(|(size, _)| size > 0) {
        return None;
    }
    let span = at(model.fields.last()?.span());
    let (krate, ident) = (respan(&names.krate, span), moved(model.ident, span));
    Some(quote_spanned!(span => const _: () = #krate::__private::elements_have_bytes::<#ident>();))
}
