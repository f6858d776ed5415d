//! `LAYOUT`, and the checks that point at padding.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Path, Type};

use super::{Names, at, moved, respan};
use crate::known::{self, Padding};
use crate::model::Model;

/// The expression of `LAYOUT`.
///
/// Each field's type stands here in the one position where it meets a bound, as the user's own tokens: the compiler
/// then underlines all of it.
pub(crate) fn constant(model: &Model<'_>, names: &Names, sound: bool) -> TokenStream {
    let krate = &names.krate;
    let fields = model
        .fields
        .iter()
        .filter(|field| !field.refused)
        .map(|field| {
            let (name, layout) = (&field.schema_name, of(field.ty, krate));
            quote!(#krate::__private::field(#name, #layout))
        });
    if !sound {
        return quote!(#krate::__private::refused(&[#(#fields),*]));
    }
    let (name, version) = (model.ident.to_string(), model.attr.version);
    let name = name.trim_start_matches("r#");
    quote! {
        &#krate::__private::structure::<Self>(
            #name,
            #version,
            const { &#krate::__private::place([#(#fields),*]) },
        )
    }
}

/// The layout of a field's type.
///
/// An array of something that is not a plain number is taken apart, so that a mistake in the element is told with its
/// own reason.
fn of(ty: &Type, krate: &Path) -> TokenStream {
    match ty {
        Type::Array(array) if known::extent(ty).is_none() => {
            let (element, len) = (of(&array.elem, krate), &array.len);
            quote!(const { &#krate::__private::array(#element, #len) })
        }
        Type::Paren(inner) => of(&inner.elem, krate),
        Type::Group(inner) => of(&inner.elem, krate),
        _ => quote!(<#ty as #krate::why::Field>::LAYOUT),
    }
}

/// Constants outside the implementation, each at a field behind which padding may begin. Only the one at the first
/// gap fails, and lists all of them.
pub(crate) fn padding_checks(model: &Model<'_>, names: &Names, sound: bool) -> TokenStream {
    // The padding of a generic struct depends on its arguments: it is looked at where there are some.
    if !sound || model.is_generic() {
        return TokenStream::new();
    }
    let extents = model.fields.iter().map(|field| known::extent(field.ty));
    let suspects = match known::padding(extents, model.repr.min_align()) {
        Padding::None => 0..0,
        Padding::After(number) => number..number + 1,
        Padding::Unknown => 0..model.fields.len(),
    };
    let (krate, ident) = (&names.krate, model.ident);
    suspects
        .map(|number| {
            let span = at(model.fields[number].span());
            let (krate, ident) = (respan(krate, span), moved(ident, span));
            quote_spanned!(span => const _: () = #krate::__private::no_padding_after::<#ident>(#number);)
        })
        .collect()
}
