//! The view: a struct with the same fields, each of them a cell.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Index, Member, Path, Type, TypePath};

use super::{Names, at, generated, lints, moved, respan};
use crate::bound;
use crate::diagnose::is_type_parameter;
use crate::lifetimes;
use crate::model::{Field, Model, Shape};
use crate::size;
use crate::ty::{slice, ungroup};

/// The definition of the view.
pub(crate) fn item(model: &Model<'_>, names: &Names) -> TokenStream {
    let Names {
        krate,
        view,
        access,
        ..
    } = names;
    let vis = generated(model.vis);
    let params = parameters(model, names);
    let where_clause = &model.generics.where_clause;
    // `repr(transparent)` becomes `repr(C)`: with one field that has bytes the two are laid out alike.
    let align = model
        .repr
        .align
        .as_ref()
        .map(|align| quote!(#[repr(align(#align))]));
    let fields = model.fields.iter().map(|field| {
        let (docs, vis, ty) = (&field.docs, generated(field.vis), field.ty);
        let span = at(field.span());
        let name = field.ident.map(|ident| {
            let ident = moved(ident, span);
            quote_spanned!(span => #ident:)
        });
        if let (Some(element), false) = (slice(ty), field.refused) {
            return quote!(#(#docs)* #vis #name #krate::ShmSlice<#element, #access>);
        }
        let cell = if field.refused {
            // The view still uses the parameters that the refused type used.
            let params = model.generics.type_params().map(|param| &param.ident);
            quote!(#krate::__private::Refused<(#(#krate::__private::PhantomData<#params>,)*)>)
        } else if may_have_no_size(field, model) {
            let cell = cell_of_one_size(ty, krate, &access.to_token_stream());
            return quote!(#(#docs)* #vis #name #cell);
        } else {
            ty.to_token_stream()
        };
        quote!(#(#docs)* #vis #name #krate::ShmCell<#cell, #access>)
    });
    let doc = format!(
        "The fields of [`{}`] as cells in shared memory.",
        model.ident
    );
    let head = quote! {
        #[doc = #doc]
        #[repr(C)]
        #align
        #vis struct #view #params
    };
    match model.shape {
        Shape::Tuple => quote!(#head (#(#fields),*) #where_clause;),
        _ => quote!(#head #where_clause { #(#fields),* }),
    }
}

/// Whether the type of the field is a name that may stand for a slice, or for a struct that ends in one: any name for
/// the last field; for others, where the compiler reports it as well, only names without arguments, because each
/// check costs build time.
pub(crate) fn may_have_no_size(field: &Field<'_>, model: &Model<'_>) -> bool {
    let is_last = model
        .fields
        .last()
        .is_some_and(|last| std::ptr::eq(last, field));
    let ty = ungroup(field.ty);
    let is_name = match ty {
        Type::Path(TypePath { qself, path, .. }) => {
            let has_arguments = path.segments.iter().any(|part| !part.arguments.is_none());
            let is_plain = qself.is_none() && !has_arguments;
            (is_last || is_plain) && !is_type_parameter(ty, model.generics)
        }
        // Its expansion is unknown, and an error that points into the macro would be long.
        Type::Macro(_) => true,
        _ => false,
    };
    is_name && size::extent(ty).is_none()
}

/// The cell of a field that may have no size. The error names the trait, not the cell, and points at the type.
fn cell_of_one_size(ty: &Type, krate: &Path, access: &TokenStream) -> TokenStream {
    let ty = ungroup(ty);
    let (start, end) = ends(ty);
    let (open, itself) = (respan(krate, start), measured(ty, krate, "Itself"));
    let open = quote_spanned!(start => #open::ShmCell<);
    let close = quote_spanned!(end => , #access>);
    quote!(#open #itself #close)
}

/// The associated type `name` of `diagnostics::Measures` for `ty`.
///
/// The tokens belong to where the type is written, and are not only located there (see [`at`]), so an error at them
/// does not mention the derive. `SharedMemory` alone spans the type from its start to its end.
pub(crate) fn measured(ty: &Type, krate: &Path, name: &str) -> TokenStream {
    let (start, end) = ends(ty);
    let (krate, name) = (respan(krate, start), Ident::new(name, end));
    let holder = Ident::new("SharedMemory", end);
    let open =
        quote_spanned!(start => <#krate::diagnostics::#holder as #krate::diagnostics::Measures<);
    let close = quote_spanned!(end => >>::#name);
    quote!(#open #ty #close)
}

/// The spans of a type's first and last token.
fn ends(ty: &Type) -> (Span, Span) {
    let mut tokens = ty.to_token_stream().into_iter();
    let start = tokens
        .next()
        .map_or_else(Span::call_site, |token| token.span());
    let end = tokens.last().map_or(start, |token| token.span());
    (start, end)
}

/// A function that compiles only if the fields of the view have the types of those of the struct.
///
/// The view is in a scope of its own, in which its name and that of its parameter are known. A macro in a field's
/// type may expand to such a name, and mean another type there. Here neither name is in scope, so the macro means
/// what it means in the struct.
pub(crate) fn type_check(model: &Model<'_>, names: &Names) -> TokenStream {
    let krate = &names.krate;
    let access = quote!(#krate::ReadWrite);
    let generics = bound::of_struct(model, krate);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, ty_generics, _) = model.generics.split_for_impl();
    let ident = moved(model.ident, at(model.ident.span()));
    let fields = model.fields.iter().enumerate().map(|(number, field)| {
        let (span, member) = member(number, field);
        let place = match slice(field.ty) {
            Some(element) => quote!(#krate::ShmSlice<#element, #access>),
            None if may_have_no_size(field, model) => cell_of_one_size(field.ty, krate, &access),
            None => {
                let ty = field.ty;
                quote!(#krate::ShmCell<#ty, #access>)
            }
        };
        quote_spanned!(span => let _: &#place = &__shm_view.#member;)
    });
    let lints = &names.lints;
    quote! {
        #lints
        const _: () = {
            fn __shm_same_types #impl_generics(
                __shm_view: &<#ident #ty_generics as #krate::ShmLayout>::View<#access>,
            ) #where_clause {
                #(#fields)*
            }
        };
    }
}

/// A field as a member in an expression, and the span for errors about it.
fn member(number: usize, field: &Field<'_>) -> (Span, Member) {
    let span = at(field.span());
    let member = match field.ident {
        Some(ident) => Member::Named(moved(ident, span)),
        None => Member::Unnamed(Index {
            index: u32::try_from(number).unwrap_or(u32::MAX),
            span,
        }),
    };
    (span, member)
}

/// A function and constants that compile only if the struct is the one that the derive has read.
///
/// An attribute macro below the derive runs after it, and can change the struct.
pub(crate) fn same_struct(model: &Model<'_>, names: &Names) -> TokenStream {
    let krate = &names.krate;
    let generics = bound::of_struct(model, krate);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, ty_generics, _) = model.generics.split_for_impl();
    let ident = moved(model.ident, at(model.ident.span()));
    // In two steps, because in one the field's type could be coerced to the expected type.
    let types = members(model).map(|(field, span, member)| {
        let ty = field.ty;
        quote_spanned! {span =>
            let __shm_field = #krate::__private::type_of(&raw const __shm_value.#member);
            let _: #krate::__private::PhantomData<#ty> = __shm_field;
        }
    });
    // The offsets of a generic struct's fields depend on its arguments: they are checked where its layout is
    // computed.
    let places = (!model.is_generic()).then(|| {
        let places = places(model, &ident.to_token_stream(), krate);
        let span = at(model.ident.span());
        let krate = respan(krate, span);
        quote_spanned!(span => const _: () = #krate::__private::assert_offsets::<#ident>(#places);)
    });
    let (lints, deprecated) = (&names.lints, lints::deprecated_fields(model));
    quote! {
        #lints
        #deprecated
        const _: () = {
            fn __shm_same_struct #impl_generics(__shm_value: &#ident #ty_generics) #where_clause {
                #(#types)*
            }
            #places
        };
    }
}

fn members<'m, 'a>(model: &'m Model<'a>) -> impl Iterator<Item = (&'m Field<'a>, Span, Member)> {
    model.fields.iter().enumerate().map(|(number, field)| {
        let (span, member) = member(number, field);
        (field, span, member)
    })
}

/// The offsets that the compiler gives to the fields of the type `of`, as a reference to an array. The offset of an
/// unsized field is not available.
pub(crate) fn places(model: &Model<'_>, of: &TokenStream, krate: &Path) -> TokenStream {
    let places = members(model)
        .filter(|(field, ..)| slice(field.ty).is_none())
        .map(|(.., member)| quote!(#krate::__private::offset_of!(#of, #member)));
    quote!(&[#(#places),*])
}

/// `<T: Bound, const N: usize, Access: ..>`: the struct's own parameters without defaults, and the access.
fn parameters(model: &Model<'_>, names: &Names) -> TokenStream {
    let Names { krate, access, .. } = names;
    let (generics, _, _) = model.generics.split_for_impl();
    let own = inside(generics.to_token_stream());
    quote!(<#own #access: #krate::Access>)
}

/// `<T, N, Access>`.
pub(crate) fn arguments(model: &Model<'_>, names: &Names) -> TokenStream {
    let access = &names.access;
    let own = lifetimes::named(model.generics);
    quote!(<#(#own,)* #access>)
}

/// The tokens between the angle brackets, with a comma at the end.
fn inside(generics: TokenStream) -> TokenStream {
    let tokens: Vec<_> = generics.into_iter().collect();
    match tokens.as_slice() {
        [_, inner @ .., _] if !inner.is_empty() => {
            let ends_in_comma = inner.last().is_some_and(|token| token.to_string() == ",");
            let comma = (!ends_in_comma).then(|| quote!(,));
            quote!(#(#inner)* #comma)
        }
        _ => TokenStream::new(),
    }
}
