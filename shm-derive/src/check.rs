//! The rules that the tokens alone decide, one function each.
//!
//! Types that are named by a path (`Vec<u8>`, `usize`, an alias of a pointer) are left to the trait bounds of
//! `shm-core`, which see the type behind the name.

use std::collections::HashMap;

use proc_macro2::{Ident, Span};
use syn::{Data, Expr, Fields, LifetimeParam, Lit, Type, TypeParamBound, UnOp};

use crate::attr;
use crate::ctxt::Ctxt;
use crate::diagnose;
use crate::lifetimes;
use crate::model::{Field, Model, Shape};
use crate::size;
use crate::ty::{innermost, slice, ungroup};

/// The largest alignment that mappings have on every machine.
const MAX_ALIGN: u64 = 4096;

/// The most bytes that a process can map, on any machine. The compiler's own limit is higher.
const MAX_BYTES: u128 = 1 << 56;

pub(crate) fn all(cx: &Ctxt, model: &mut Model<'_>) {
    match model.shape {
        Shape::Union => return no_unions(cx, model),
        Shape::Enum => return enumeration(cx, model),
        Shape::Named | Shape::Tuple | Shape::Unit => {}
    }
    repr_is_fixed(cx, model);
    has_fields(cx, model);
    names_are_unique(cx, model);
    pin_is_possible(cx, model);
    names_are_short(cx, model);
    levels_are_appended(cx, model);
    slices_do_not_grow(cx, model);
    align_is_possible(cx, model);
    let last = model.fields.len().saturating_sub(1);
    for (number, field) in model.fields.iter_mut().enumerate() {
        let ty = match slice(field.ty) {
            Some(element) if number == last => element,
            _ => field.ty,
        };
        let recursive = is_recursive(cx, model.ident, field);
        model.recursive |= recursive;
        field.refused = recursive || !is_shareable(cx, field, ty);
    }
}

fn no_unions(cx: &Ctxt, model: &Model<'_>) {
    if let Data::Union(data) = &model.item.data {
        cx.error(
            data.union_token,
            "a union cannot be shared: nothing records which of its fields was written last; use a struct with all \
             of them, or an array of bytes",
        );
    }
}

/// The rules for enums: no data, a fixed-width integer, at least one variant.
fn enumeration(cx: &Ctxt, model: &Model<'_>) {
    let mut has_data = false;
    for variant in &model.variants {
        if !variant.fields.is_empty() {
            has_data = true;
            cx.error(
                variant,
                format!(
                    "variant `{}` carries data, and another process can change the variant and its data at any \
                     moment; write a fieldless enum for the kind, and a struct with fields for the data of each \
                     variant",
                    variant.ident
                ),
            );
        }
    }
    for variant in &model.variants {
        // The name of a variant with braces is not a value, and that of one with parentheses is a function.
        if variant.fields.is_empty() && !matches!(variant.fields, Fields::Unit) {
            cx.error(
                variant,
                format!(
                    "variant `{0}` has empty brackets; write `{0}`",
                    variant.ident
                ),
            );
        }
        for attr in variant
            .attrs
            .iter()
            .filter(|attr| attr.path().is_ident("shm"))
        {
            cx.error(
                attr,
                "`#[shm(..)]` has no attributes for variants; remove it",
            );
        }
    }
    pin_is_possible(cx, model);
    if let Some(span) = model.attr.version_span {
        cx.error_at(
            span,
            "`version` is for structs; remove it here, and write it on the struct that has the enum as a field",
        );
    }
    if let Some(span) = model.attr.padding {
        cx.error_at(span, "`padding` is for structs; remove it");
    }
    if let Some((_, span)) = model.attr.room {
        cx.error_at(span, "`room` is for structs; remove it");
    }
    if model.variants.is_empty() {
        cx.error(
            model.ident,
            format!(
                "`{}` has no variants, and so no values to share; add a variant",
                model.ident
            ),
        );
    }
    let repr = &model.repr;
    match (&repr.int, &repr.other) {
        (Some(_), None) => {}
        (_, Some((span, name))) if matches!(name.as_str(), "usize" | "isize") => cx.error_at(
            *span,
            format!("the width of `{name}` depends on the program; write `repr(u8)` or another fixed width"),
        ),
        (_, Some((span, name))) => {
            cx.error_at(*span, format!("`repr({name})` is not an integer of 1 to 8 bytes; write `#[repr(u8)]`"));
        }
        (None, None) if has_data || model.variants.is_empty() => {}
        (None, None) => match repr.c {
            Some(span) => cx.error_at(
                span,
                format!(
                    "`#[repr(C)]` gives the enum `{}` the width of C's `int`; write `#[repr(i32)]`, which has the same \
                     layout",
                    model.ident
                ),
            ),
            None => cx.error_at(
                attr::span_of(&model.item.attrs, "repr").unwrap_or_else(|| model.ident.span()),
                format!(
                    "`{}` needs `#[repr(u8)]` or another integer: without it, each program may choose another size",
                    model.ident
                ),
            ),
        },
    }
    if let Some(align) = &repr.align {
        cx.error(align, "an enum is aligned like its integer; remove `align`");
    }
}

fn repr_is_fixed(cx: &Ctxt, model: &Model<'_>) {
    let repr = &model.repr;
    if let Some(span) = repr.packed {
        cx.error_at(
            span,
            "a packed struct cannot be shared: its fields are not aligned, so they cannot be accessed atomically; \
             remove `packed`, and fill gaps with fields such as `_pad: [u8; 4]`",
        );
    }
    if repr.c.is_some() || repr.transparent.is_some() {
        return;
    }
    let int = repr.int.as_ref().map(|int| (int.span(), int.to_string()));
    match repr.other.as_ref().or(int.as_ref()) {
        Some((span, name)) => cx.error_at(
            *span,
            format!("`repr({name})` does not fix the order of the fields; write `#[repr(C)]`"),
        ),
        None => cx.error_at(
            attr::span_of(&model.item.attrs, "repr").unwrap_or_else(|| model.ident.span()),
            format!(
                "`{}` needs `#[repr(C)]`: without it, each program may order the fields differently",
                model.ident
            ),
        ),
    }
}

/// Reports that the program knows `shm-core` as `name` only.
pub(crate) fn renamed(cx: &Ctxt, name: &str) {
    cx.error_at(
        Span::call_site(),
        format!(
            "this crate depends on `shm-core` under the name `{name}`; add `#[shm(crate = \"{name}\")]` below the derive"
        ),
    );
}

/// Reports a lifetime of the struct.
pub(crate) fn no_lifetime(cx: &Ctxt, param: &LifetimeParam) {
    cx.error(
        param,
        format!(
            "a shared struct cannot have lifetimes: references mean nothing in another process; remove `{}` and \
             store values",
            param.lifetime
        ),
    );
}

/// Reports a `?Sized` bound of a type parameter.
pub(crate) fn no_unsized_parameter(cx: &Ctxt, bound: &TypeParamBound) {
    cx.error(
        bound,
        "a field of a shared struct needs a fixed size; remove `?Sized`, or write a slice as the last field: `tail: \
         [T]`",
    );
}

fn has_fields(cx: &Ctxt, model: &Model<'_>) {
    if model.fields.is_empty() {
        cx.error(
            model.ident,
            format!(
                "`{}` has no fields, and so nothing to share; add a field, or make a marker an enum of one variant \
                 with `#[repr(u8)]`",
                model.ident
            ),
        );
    }
}

fn pin_is_possible(cx: &Ctxt, model: &Model<'_>) {
    let Some(pin) = &model.attr.pin else {
        return;
    };
    if model.is_generic() {
        cx.error_at(
            pin.span,
            format!(
                "the fingerprint of a generic type depends on its arguments; remove `pin` here, and pin the struct \
                 that has `{}` as a field",
                model.ident
            ),
        );
        return;
    }
    let newest = model.level();
    for (level, (_, span)) in pin.levels.iter().enumerate().skip(newest as usize + 1) {
        cx.error_at(
            *span,
            format!(
                "`{}` has no level {level}: its newest level is {newest}; remove this fingerprint",
                model.ident
            ),
        );
    }
}

/// The fields of a level follow those of the level before it, and no level is left out.
fn levels_are_appended(cx: &Ctxt, model: &Model<'_>) {
    let Some((mut newest, rest)) = model.fields.split_first() else {
        return;
    };
    if let Some((_, span)) = newest.since {
        cx.error_at(
            span,
            format!(
                "`{}` is the first field of `{}`, so it belongs to level 0; remove `since` here, and from all fields that the \
                 first version has",
                newest.name, model.ident
            ),
        );
    }
    for field in rest {
        let (level, newest_level) = (field.level(), newest.level());
        let span = field.since.map_or_else(|| field.span(), |(_, span)| span);
        if level < newest_level {
            cx.error_at(
                span,
                format!(
                    "`{0}` follows `{1}`, which has `since = {newest_level}`: fields are only appended, so `since` never \
                     decreases; write `since = {newest_level}` on `{0}`, or a later level",
                    field.name, newest.name
                ),
            );
            continue;
        }
        if level - newest_level > 1 {
            cx.error_at(
                span,
                format!(
                    "`since = {level}` leaves out levels: the fields before `{}` reach level {newest_level}; write `since = {}`",
                    field.name,
                    newest_level + 1
                ),
            );
            return;
        }
        newest = field;
    }
}

/// The trailing slice takes the rest of the segment, so that nothing can be appended.
fn slices_do_not_grow(cx: &Ctxt, model: &Model<'_>) {
    if model.tail().is_none() {
        return;
    }
    let remedy = "remove this, or write an array or a `ShmVec` in place of the slice";
    if let Some((_, span)) = model.attr.room {
        cx.error_at(
            span,
            format!("a struct that ends in a slice cannot grow, so it needs no room: {remedy}"),
        );
    }
    if let Some((_, span)) = model.fields.iter().find_map(|field| field.since) {
        cx.error_at(
            span,
            format!(
                "a struct that ends in a slice cannot grow: there is no place for fields behind the slice; {remedy}"
            ),
        );
    }
}

fn align_is_possible(cx: &Ctxt, model: &Model<'_>) {
    if let Some(align) = &model.repr.align
        && model.repr.min_align() > MAX_ALIGN
    {
        cx.error(
            align,
            format!(
                "a shared struct can be aligned to at most {MAX_ALIGN} bytes, the size of a page; write \
                 `align({MAX_ALIGN})` or less"
            ),
        );
    }
}

fn names_are_unique(cx: &Ctxt, model: &Model<'_>) {
    let mut seen = HashMap::new();
    for field in &model.fields {
        if let Some(first) = seen.insert(&field.schema_name, &field.name) {
            cx.error_at(
                field.span(),
                format!(
                    "`{first}` and `{0}` have the same name in the layout, `{1}`; change one of them with `rename`",
                    field.name, field.schema_name
                ),
            );
        }
    }
}

/// A schema stores the length of a name in two bytes.
fn names_are_short(cx: &Ctxt, model: &Model<'_>) {
    for field in &model.fields {
        if field.schema_name.len() > usize::from(u16::MAX) {
            cx.error_at(
                field.span(),
                "the name of a field in a layout has at most 65535 bytes; shorten it with `rename`",
            );
        }
    }
}

/// Reports types that are refused whatever their arguments are.
fn is_shareable(cx: &Ctxt, field: &Field<'_>, ty: &Type) -> bool {
    let name = &field.name;
    // Without the groups that a macro puts around the type, whose spans are in the macro.
    let ty = ungroup(ty);
    let refuse = |message: String| {
        cx.error(ty, message);
        false
    };
    match ty {
        Type::Reference(_) => refuse(format!(
            "field `{name}` is a reference, an address that means nothing in another process; store the value \
             itself, or a `ShmOffset` to a place in the same segment"
        )),
        Type::Ptr(_) => refuse(format!(
            "field `{name}` is a raw pointer, an address that means nothing in another process; store the value \
             itself, or a `ShmOffset` to a place in the same segment"
        )),
        Type::FnPtr(_) => refuse(format!(
            "field `{name}` is a function pointer, an address that means nothing in another process; store a number \
             and `match` on it"
        )),
        Type::TraitObject(_) | Type::ImplTrait(_) => refuse(format!(
            "field `{name}` is a trait object, which contains an address of this process; store a concrete type"
        )),
        Type::Tuple(tuple) => refuse(if tuple.elems.is_empty() {
            format!("field `{name}` is `()`, which stores nothing; remove it")
        } else {
            format!(
                "field `{name}` is a tuple, whose layout may differ from program to program; write a struct with \
                 `#[repr(C)]` and this derive"
            )
        }),
        Type::Slice(_) => refuse(format!(
            "field `{name}` is a slice, whose length is not part of its type; make it the last field, or write an \
             array such as `[u8; 64]`"
        )),
        Type::Path(path) if path.path.is_ident("str") => refuse(format!(
            "field `{name}` is a `str`, whose length is not part of its type and whose bytes other processes could \
             make invalid; write `ShmStr<64>`, or bytes: `[u8; 64]`"
        )),
        Type::Never(_) => refuse(format!(
            "field `{name}` is `!`, which has no values; remove it"
        )),
        Type::Infer(_) => refuse(format!("field `{name}` needs a type")),
        Type::Array(array) => {
            negative_length(cx, &array.len)
                && is_a_length(&array.len)
                && is_shareable(cx, field, &array.elem)
                && fits_into_memory(cx, field, ty)
        }
        // rustc reports these too, once for each place where the expansion repeats the type.
        Type::Path(_) => match lifetimes::without_lifetime(ty) {
            Some(reference) => {
                cx.error(
                    reference,
                    if diagnose::is_phantom(ty) {
                        format!(
                            "field `{name}` uses a lifetime, which a shared struct cannot have; write `PhantomData` \
                             of the type itself, without the reference"
                        )
                    } else {
                        format!(
                            "field `{name}` contains a reference, an address that means nothing in another process; \
                             store the value itself, or a `ShmOffset` to a place in the same segment"
                        )
                    },
                );
                false
            }
            None => true,
        },
        _ => true,
    }
}

/// Reports a field that contains the struct itself, at any depth.
fn is_recursive(cx: &Ctxt, ident: &Ident, field: &Field<'_>) -> bool {
    let recursive = holds(field.ty, ident);
    if recursive {
        cx.error(
            ungroup(field.ty),
            format!(
                "field `{}` makes `{ident}` contain itself; keep the values in an array, and store a \
                 `ShmOffset<{ident}>` or an index here",
                field.name
            ),
        );
    }
    recursive
}

/// Whether a value of `ty` contains a struct `ident`, judging by its tokens.
fn holds(ty: &Type, ident: &Ident) -> bool {
    let ty = innermost(ty);
    let is_itself = matches!(ty, Type::Path(path) if path.qself.is_none()
        && path.path.segments.len() == 1
        && path.path.segments[0].ident == *ident);
    is_itself || diagnose::contained_in_place(ty).is_some_and(|inner| holds(inner, ident))
}

/// rustc would report a negative length once for the struct and once for its view.
fn negative_length(cx: &Ctxt, len: &Expr) -> bool {
    let negative = matches!(
        len,
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_))
            && matches!(&*unary.expr, Expr::Lit(literal) if matches!(literal.lit, Lit::Int(_)))
    );
    if negative {
        cx.error(len, "the length of an array cannot be negative");
    }
    !negative
}

/// Whether `len` is not a literal of another type, such as `4u32`, which rustc would report for the struct and for
/// the view.
fn is_a_length(len: &Expr) -> bool {
    !matches!(len, Expr::Lit(literal)
        if matches!(&literal.lit, Lit::Int(int) if !matches!(int.suffix(), "" | "usize")))
}

/// The compiler finds too large arrays as well, but reports them in the expansion. This error is at the type.
fn fits_into_memory(cx: &Ctxt, field: &Field<'_>, array: &Type) -> bool {
    let too_large = size::bytes(array).filter(|bytes| *bytes > MAX_BYTES);
    if let Some(bytes) = too_large {
        cx.error(
            array,
            format!(
                "field `{}` is an array of {bytes} bytes, more than a process can map; write a shorter one",
                field.name
            ),
        );
    }
    too_large.is_none()
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[test]
    fn a_struct_is_found_inside_itself_at_any_depth() {
        let found = |ty: Type| holds(&ty, &parse_quote!(Node));
        assert!(found(parse_quote!(Node)));
        assert!(found(parse_quote!(Node::<T>)));
        assert!(found(parse_quote!([[Node; 2]])));
        assert!(found(parse_quote!(ShmVec<Node, 4>)));
        assert!(found(parse_quote!([sync::Mutex<[Wrapping<(Node)>; 2]>; 2])));
        assert!(found(parse_quote!(Ring<Node, 4>)));
        assert!(found(parse_quote!(SeqLock<Broadcast<Node, 4>>)));

        assert!(!found(parse_quote!(ShmOffset<Node>)));
        assert!(!found(parse_quote!([ShmVec<ShmOffset<Node>, 4>; 2])));
        assert!(!found(parse_quote!(PhantomData<Node>)));
        // Other types, and one that may store nothing of its argument.
        assert!(!found(parse_quote!(other::Node)));
        assert!(!found(parse_quote!(Pair<Node>)));
    }
}
