//! `LAYOUT`, and the checks that point at padding.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Path, Type, Visibility};

use super::{Names, at, has_unknown_attribute, moved, respan, view};
use crate::bound;
use crate::diagnose::{self, Diagnosis};
use crate::model::{Field, Model};
use crate::size::{self, Padding};
use crate::ty::ungroup;

/// The expression of `LAYOUT`.
///
/// Each field's type meets its one bound here, as the user's own tokens, so that the compiler underlines all of it.
/// After an error it is still a constant, which contains `errors`.
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
            let hash = fnv(name);
            quote!(#krate::__private::named(#name, #hash, #layout))
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
    let names_len: usize = (model.fields.iter())
        .map(|field| field.schema_name.len())
        .sum();
    // In one block: the compiler evaluates the constants of `LAYOUT` all at once, but those in the block in turn. It
    // does not reach the extent if a field has no layout.
    let fields = if model.level() > 0 {
        let since = model.fields.iter().map(Field::level);
        quote!(with_offsets_since(&[#(#fields),*], [#(#since),*], #names_len, #facts))
    } else {
        quote!(with_offsets(&[#(#fields),*], #names_len, #facts))
    };
    let parts = quote!(const { &#krate::__private::#fields });
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
    let layout = if model.level() > 0 {
        let align = model.repr.min_align();
        quote!(#krate::__private::with_levels(#layout, #align as ::core::primitive::usize))
    } else {
        layout
    };
    let layout = match model.attr.room {
        Some((room, _)) => {
            quote!(#krate::__private::with_room(#layout, #room as ::core::primitive::usize))
        }
        None => layout,
    };
    let all_public = |field: &Field<'_>| matches!(field.vis, Visibility::Public(_));
    let layout = if model.fields.iter().all(all_public) {
        quote!(#krate::__private::with_public_fields(#layout))
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

/// The 64-bit FNV-1a of a field's name, which is a part of the fingerprint. It takes the compiler's interpreter much longer.
fn fnv(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Size, alignment, `Drop` and `Copy` of the type, found by the names of constants that exist for all types.
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

/// The expression of `LAYOUT` for an enum that has passed the checks.
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
/// An array of anything but a primitive is unwrapped, so that an error about the element has the element's reason.
/// A type that `may_have_no_size` goes through the trait that the view requires of it: if that does not hold, the two
/// errors are equal, and the compiler reports one.
fn of(ty: &Type, model: &Model<'_>, krate: &Path, may_have_no_size: bool) -> TokenStream {
    let ty = ungroup(ty);
    match ty {
        Type::Array(array) if size::extent(ty).is_none() => {
            let (element, len) = (of(&array.elem, model, krate, false), &array.len);
            // An array that is too large is reported at its type.
            let span = at(array.bracket_token.span.join());
            let krate = respan(krate, span);
            quote_spanned!(span => const { &#krate::__private::array(#element, #len) })
        }
        Type::Slice(slice) => {
            let element = of(&slice.elem, model, krate, false);
            quote!(const { &#krate::__private::slice(#element) })
        }
        _ => {
            let diagnostics = quote!(#krate::diagnostics);
            let asked = if may_have_no_size || matches!(ty, Type::Macro(_)) {
                view::measured(ty, krate, "Asked")
            } else {
                ty.to_token_stream()
            };
            match diagnose::find(ty, model.generics) {
                Diagnosis::Field => quote!(<#asked as #diagnostics::Field>::LAYOUT),
                Diagnosis::SharedParts => quote! {
                    {
                        use #krate::__private::NoExtent as _;
                        #krate::__private::layout_by_parts(
                            <#krate::__private::Extent<#asked>>::STORED,
                            #krate::__private::Infers::BOTH,
                            <#asked as #diagnostics::SharedParts<_>>::LAYOUT,
                            <#krate::__private::Extent<#asked>>::SHM_IN_USE,
                        )
                    }
                },
                Diagnosis::Argument(reason, argument) => {
                    let reason = format_ident!("{reason}");
                    quote!(<#argument as #diagnostics::#reason<#asked>>::LAYOUT)
                }
            }
        }
    }
}

/// Constants outside the implementation that fail if a level is not the pinned one.
pub(crate) fn pin_check(model: &Model<'_>, names: &Names, sound: bool) -> TokenStream {
    let Some(pin) = model.attr.pin.as_ref().filter(|_| sound) else {
        return TokenStream::new();
    };
    let at_span = |span: Span| {
        let span = at(span);
        (span, respan(&names.krate, span), moved(model.ident, span))
    };
    let checks = (0_u32..).zip(&pin.levels).map(|(level, (fingerprint, span))| {
        let (span, krate, ident) = at_span(*span);
        quote_spanned!(span => const _: () = #krate::__private::pinned::<#ident>(#level, #fingerprint);)
    });
    // There is at most one for each level.
    let count = u32::try_from(pin.levels.len()).unwrap_or(u32::MAX);
    let missing = (count <= model.level()).then(|| {
        let (span, krate, ident) = at_span(pin.span);
        quote_spanned!(span => const _: () = #krate::__private::all_pinned::<#ident>(#count);)
    });
    quote!(#(#checks)* #missing)
}

/// A constant outside the implementation that fails if the type has a `Drop`.
pub(crate) fn drop_check(model: &Model<'_>, names: &Names) -> TokenStream {
    let span = at(model.ident.span());
    let (krate, ident) = (respan(&names.krate, span), moved(model.ident, span));
    quote_spanned!(span => const _: () = #krate::__private::no_drop::<#ident>();)
}

/// Constants outside the implementation that fail if there is padding, or a `Drop`. If the tokens do not tell after
/// which field the padding begins, there is one for each field. Only that of the first gap fails, and lists all gaps.
pub(crate) fn padding_checks(model: &Model<'_>, names: &Names, sound: bool) -> TokenStream {
    // The padding of a generic struct depends on its arguments, so each instance is checked where it is used.
    if !sound {
        return TokenStream::new();
    }
    if model.is_generic() {
        return copy_conflict(model, names);
    }
    let elements = elements_check(model, names);
    let extents = model.fields.iter().map(|field| size::extent(field.ty));
    let (krate, ident) = (&names.krate, model.ident);
    // Names of types can mislead, so the whole struct is checked in any case.
    let whole = |span: Span| {
        let (krate, ident) = (respan(krate, span), moved(ident, span));
        quote_spanned!(span => const _: () = #krate::__private::no_padding::<#ident>();)
    };
    let each = || -> TokenStream {
        (0..model.fields.len())
            .map(|number| {
                let span = at(model.fields[number].span());
                let (krate, ident) = (respan(krate, span), moved(ident, span));
                quote_spanned!(span => const _: () = #krate::__private::no_padding_after::<#ident>(#number);)
            })
            .chain(std::iter::once_with(|| drop_check(model, names)))
            .collect()
    };
    let padding = match size::padding(extents, model.repr.min_align(), model.tail().is_some()) {
        // Each field of a later level is checked.
        _ if model.level() > 0 => each(),
        Padding::None => whole(at(ident.span())),
        // Allowed, so there is nothing to report at the field.
        Padding::After(_) if model.attr.padding.is_some() => whole(at(ident.span())),
        Padding::After(number) => whole(at(model.fields[number].span())),
        Padding::Unknown => each(),
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

/// The same for a generic struct, which has no instance to check: an implementation that conflicts with the one for
/// all `Copy` types.
fn copy_conflict(model: &Model<'_>, names: &Names) -> TokenStream {
    // The user's own span, so that the error does not mention the expansion.
    let Some(span) = model.attr.padding else {
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

/// A constant outside the implementation that fails if the struct ends in a slice of elements without bytes.
fn elements_check(model: &Model<'_>, names: &Names) -> Option<TokenStream> {
    let element = model.tail()?;
    if size::extent(element).is_some_and(|(size, _)| size > 0) {
        return None;
    }
    let span = at(model.fields.last()?.span());
    let (krate, ident) = (respan(&names.krate, span), moved(model.ident, span));
    Some(quote_spanned!(span => const _: () = #krate::__private::elements_have_bytes::<#ident>();))
}
