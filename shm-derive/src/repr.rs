//! `#[repr(..)]`, in one or several attributes.

use proc_macro2::{Ident, Span, TokenStream};
use syn::{Attribute, LitInt, Token, parenthesized, token};

use crate::ctxt::Ctxt;

const INTS: [&str; 8] = ["u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64"];

/// All `#[repr(..)]` attributes of an item together.
#[derive(Default)]
pub(crate) struct Repr {
    pub(crate) c: Option<Span>,
    pub(crate) transparent: Option<Span>,
    pub(crate) packed: Option<Span>,
    /// The argument of `align(N)`, which the view repeats.
    pub(crate) align: Option<LitInt>,
    /// The integer of an enum, if it has a fixed width of 1 to 8 bytes.
    pub(crate) int: Option<Ident>,
    /// Anything else, such as `Rust`, `usize` or `simd`.
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
                    // The largest of several counts, as in rustc.
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
                    // rustc reports unknown arguments itself.
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

    /// The alignment of `align(N)`, 1 without one.
    pub(crate) fn min_align(&self) -> u64 {
        self.align.as_ref().map_or(1, bytes)
    }
}

fn bytes(literal: &LitInt) -> u64 {
    literal.base10_parse().unwrap_or(1)
}
