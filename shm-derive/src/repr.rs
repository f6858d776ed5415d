//! `#[repr(..)]`: whole lists, and several attributes.

use proc_macro2::{Ident, Span, TokenStream};
use syn::{Attribute, LitInt, Token, parenthesized, token};

use crate::ctxt::Ctxt;

const INTS: [&str; 8] = ["u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64"];

/// What all `#[repr(..)]` of a struct say together.
#[derive(Default)]
pub(crate) struct Repr {
    pub(crate) c: Option<Span>,
    pub(crate) transparent: Option<Span>,
    pub(crate) packed: Option<Span>,
    /// The argument of `align(N)`, to be written on the view as well.
    pub(crate) align: Option<LitInt>,
    /// The integer of an enum, if it is one of 1 to 8 bytes and of fixed width.
    pub(crate) int: Option<Ident>,
    /// `Rust`, `usize`, `simd`: whatever else was given.
    pub(crate) other: Option<(Span, String)>,
}

impl Repr {
    pub(crate) fn read(cx: &Ctxt, attrs: &[Attribute]) -> Self {
        let mut repr = Self::default();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("repr")) {
            let parsed = attr.parse_nested_meta(|meta| {
                let span = meta
                    .path
                    .segments
                    .first()
                    .map_or_else(Span::call_site, |segment| segment.ident.span());
                if meta.path.is_ident("C") {
                    repr.c = Some(span);
                } else if meta.path.is_ident("transparent") {
                    repr.transparent = Some(span);
                } else if meta.path.is_ident("packed") {
                    repr.packed = Some(span);
                    if meta.input.peek(token::Paren) {
                        let content;
                        parenthesized!(content in meta.input);
                        content.parse::<TokenStream>()?;
                    }
                } else if meta.path.is_ident("align") {
                    let content;
                    parenthesized!(content in meta.input);
                    let align: LitInt = content.parse()?;
                    // Of several the largest counts, as in rustc.
                    let larger = |old: &LitInt| bytes(old) >= bytes(&align);
                    if !repr.align.as_ref().is_some_and(larger) {
                        repr.align = Some(align);
                    }
                } else if let Some(int) = meta
                    .path
                    .get_ident()
                    .filter(|path| INTS.iter().any(|int| *path == int))
                {
                    repr.int = Some(int.clone());
                } else {
                    let name = meta
                        .path
                        .segments
                        .last()
                        .map(|segment| segment.ident.to_string());
                    repr.other = Some((span, name.unwrap_or_default()));
                    // rustc has words of its own for arguments that nobody knows.
                    if !meta.input.is_empty() && !meta.input.peek(Token![,]) {
                        meta.input.parse::<TokenStream>()?;
                    }
                }
                Ok(())
            });
            // rustc reports a malformed `repr` itself.
            if let Err(error) = parsed {
                cx.syn_error(error);
            }
        }
        repr
    }

    /// The alignment that `align(N)` asks for, 1 without one.
    pub(crate) fn min_align(&self) -> u64 {
        self.align.as_ref().map_or(1, bytes)
    }
}

fn bytes(literal: &LitInt) -> u64 {
    literal.base10_parse().unwrap_or(1)
}
