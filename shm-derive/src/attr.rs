//! `#[shm(..)]` on types and fields.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, LitInt, LitStr, Path, Token, bracketed, token};

use crate::ctxt::Ctxt;

/// The value of a key, which may be given once.
struct Once<T> {
    key: &'static str,
    value: Option<T>,
}

impl<T> Once<T> {
    fn new(key: &'static str) -> Self {
        Self { key, value: None }
    }

    fn set(&mut self, meta: &ParseNestedMeta<'_>, value: T) -> syn::Result<()> {
        if self.value.is_some() {
            return Err(meta.error(format!("`{}` is given twice; remove one of them", self.key)));
        }
        self.value = Some(value);
        Ok(())
    }
}

/// `#[shm(..)]` on a struct or enum.
pub(crate) struct Container {
    /// The path of `shm-core`.
    pub(crate) krate: Option<Path>,
    /// The layout's version, 0 by default.
    pub(crate) version: u32,
    /// The span of the version.
    pub(crate) version_span: Option<Span>,
    /// The fingerprints that the layout must have.
    pub(crate) pin: Option<Pin>,
    /// The span of `padding`, which allows gaps.
    pub(crate) padding: Option<Span>,
    /// The bytes kept for later fields, and their span.
    pub(crate) room: Option<(u64, Span)>,
}

/// The value of `pin`.
pub(crate) struct Pin {
    /// The fingerprint of each level, starting at 0, and its span.
    pub(crate) levels: Vec<(u64, Span)>,
    /// The span of the whole value.
    pub(crate) span: Span,
}

/// `#[shm(..)]` on a field.
pub(crate) struct Field {
    /// The field's name in the schema, if it differs.
    pub(crate) rename: Option<String>,
    /// The level that has added the field, and its span.
    pub(crate) since: Option<(u32, Span)>,
}

/// The most bytes that can be kept for later fields.
const MAX_ROOM: u64 = 1 << 30;
/// The newest level that a segment can have: more records are not read.
const MAX_LEVEL: u32 = 1000;

impl Container {
    pub(crate) fn read(cx: &Ctxt, attrs: &[Attribute]) -> Self {
        let mut krate = Once::new("crate");
        let mut version = Once::new("version");
        let mut pin = Once::new("pin");
        let mut padding = Once::new("padding");
        let mut room = Once::new("room");
        each(
            cx,
            attrs,
            "crate, version, pin, padding, room",
            &mut |meta| {
                if meta.path.is_ident("crate") {
                    let text: LitStr = value(meta, "`#[shm(crate = \"path::to::shm_core\")]`")?;
                    let path = text.parse_with(Path::parse_mod_style).map_err(|_| {
                        syn::Error::new(
                            text.span(),
                            "`crate` must be the path of shm-core, such as \"my_crate::shm_core\"",
                        )
                    })?;
                    krate.set(meta, path).map(|()| true)
                } else if meta.path.is_ident("version") {
                    let number: LitInt = value(
                        meta,
                        "`#[shm(version = 3)]`, with a literal: derives cannot see the values of constants",
                    )?;
                    let parsed = number
                    .base10_parse::<u32>()
                    .ok()
                    .filter(|version| *version > 0)
                    .ok_or_else(|| {
                        syn::Error::new(
                            number.span(),
                            "`version` must be a number from 1 to 4294967295, such as `version = 3`",
                        )
                    })?;
                    version.set(meta, (parsed, number.span())).map(|()| true)
                } else if meta.path.is_ident("pin") {
                    pin.set(meta, Pin::read(meta)?).map(|()| true)
                } else if meta.path.is_ident("padding") {
                    if !meta.input.is_empty() {
                        return Err(meta.error("`padding` takes no value; write `#[shm(padding)]`"));
                    }
                    padding.set(meta, meta.path.span()).map(|()| true)
                } else if meta.path.is_ident("room") {
                    let number: LitInt = value(
                        meta,
                        "`#[shm(room = 1024)]`, with a literal: derives cannot see the values of constants",
                    )?;
                    let parsed = number
                    .base10_parse::<u64>()
                    .ok()
                    .filter(|room| (1..=MAX_ROOM).contains(room))
                    .ok_or_else(|| {
                        syn::Error::new(
                            number.span(),
                            format!(
                                "`room` must be a number of bytes from 1 to {MAX_ROOM}, such as `room = 1024`; without it, a \
                                 segment keeps at least 1024"
                            ),
                        )
                    })?;
                    room.set(meta, (parsed, number.span())).map(|()| true)
                } else if meta.path.is_ident("rename") {
                    Err(meta.error(
                        "`rename` is for fields: the name of a type is not part of its layout",
                    ))
                } else if meta.path.is_ident("since") {
                    Err(meta.error(
                    "`since` is for the fields of a struct; write it on those that a later version has appended",
                ))
                } else {
                    Ok(false)
                }
            },
        );
        Self {
            krate: krate.value,
            version: version.value.map_or(0, |(number, _)| number),
            version_span: version.value.map(|(_, span)| span),
            pin: pin.value,
            padding: padding.value,
            room: room.value,
        }
    }
}

impl Pin {
    /// A fingerprint, or a list with one for each level.
    fn read(meta: &ParseNestedMeta<'_>) -> syn::Result<Self> {
        let example = "`#[shm(pin = \"0123456789abcdef\")]`";
        if !meta.input.peek(Token![=]) || !meta.input.peek2(token::Bracket) {
            let text: LitStr = value(meta, example)?;
            return Ok(Self {
                levels: vec![fingerprint(&text)?],
                span: text.span(),
            });
        }
        let input = meta.value()?;
        let list;
        let brackets = bracketed!(list in input);
        let mut levels = Vec::new();
        let texts = Punctuated::<LitStr, Token![,]>::parse_terminated(&list)
            .map_err(|error| syn::Error::new(error.span(), "expected a fingerprint in quotes"))?;
        for text in &texts {
            levels.push(fingerprint(text)?);
        }
        if levels.is_empty() {
            return Err(syn::Error::new(
                brackets.span.join(),
                format!("expected {example}, or a list with one fingerprint for each level"),
            ));
        }
        Ok(Self {
            levels,
            span: brackets.span.join(),
        })
    }
}

fn fingerprint(text: &LitStr) -> syn::Result<(u64, Span)> {
    let digits = text.value();
    let parsed = u64::from_str_radix(&digits, 16)
        .ok()
        .filter(|_| digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    match parsed {
        Some(fingerprint) => Ok((fingerprint, text.span())),
        None => Err(syn::Error::new(
            text.span(),
            "`pin` must be a fingerprint of 16 hexadecimal digits; write \"0000000000000000\", and the error shows the \
             right one",
        )),
    }
}

impl Field {
    pub(crate) fn read(cx: &Ctxt, attrs: &[Attribute]) -> Self {
        let mut rename = Once::new("rename");
        let mut since = Once::new("since");
        each(cx, attrs, "rename, since", &mut |meta| {
            if meta.path.is_ident("rename") {
                let text: LitStr = value(meta, "`#[shm(rename = \"name\")]`")?;
                if text.value().is_empty() {
                    return Err(syn::Error::new(
                        text.span(),
                        "the name of a field cannot be empty",
                    ));
                }
                if text.value().contains(char::is_control) {
                    return Err(syn::Error::new(
                        text.span(),
                        "a name cannot contain control characters, because it is printed in tables and messages; \
                         remove tabs, line ends and the like",
                    ));
                }
                rename.set(meta, text.value()).map(|()| true)
            } else if meta.path.is_ident("since") {
                let number: LitInt = value(
                    meta,
                    "`#[shm(since = 1)]`, with a literal: derives cannot see the values of constants",
                )?;
                let parsed = number
                    .base10_parse::<u32>()
                    .ok()
                    .filter(|since| (1..=MAX_LEVEL).contains(since))
                    .ok_or_else(|| {
                        syn::Error::new(
                            number.span(),
                            format!(
"`since` must be a number from 1 to {MAX_LEVEL}, such as `since = 1`; fields of level 0 have none"),
                        )
                    })?;
                since.set(meta, (parsed, number.span())).map(|()| true)
            } else if ["crate", "version", "pin", "padding", "room"]
                .iter()
                .any(|key| meta.path.is_ident(key))
            {
                Err(meta.error("this attribute is for structs, not for fields"))
            } else {
                Ok(false)
            }
        });
        Self {
            rename: rename.value,
            since: since.value,
        }
    }
}

/// Parses `= value`. The error shows an example.
fn value<T: syn::parse::Parse>(meta: &ParseNestedMeta<'_>, example: &str) -> syn::Result<T> {
    let place = match meta.value() {
        Ok(input) if !input.is_empty() => match input.parse() {
            Ok(value) => return Ok(value),
            Err(error) => error.span(),
        },
        Err(error) if !meta.input.is_empty() => error.span(),
        // A missing value has no span of its own.
        _ => meta.path.span(),
    };
    Err(syn::Error::new(place, format!("expected {example}")))
}

/// Calls `key` for each key of each `#[shm(..)]`. It returns whether it knows the key.
fn each(
    cx: &Ctxt,
    attrs: &[Attribute],
    known: &str,
    key: &mut dyn FnMut(&ParseNestedMeta<'_>) -> syn::Result<bool>,
) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("shm")) {
        let list = match &attr.meta {
            syn::Meta::List(list) if !list.tokens.is_empty() => list,
            _ => {
                cx.error(attr, format!("`#[shm(..)]` needs at least one of: {known}"));
                continue;
            }
        };
        // One at a time, so that an error in one does not hide those after it.
        for part in parts(cx, &list.tokens) {
            let parser = syn::meta::parser(|meta| {
                if key(&meta)? {
                    Ok(())
                } else {
                    Err(meta.error(format!("unknown `shm` attribute; expected one of: {known}")))
                }
            });
            if let Err(error) = parser.parse2(part) {
                cx.syn_error(error);
            }
        }
    }
}

/// The parts between the commas.
fn parts(cx: &Ctxt, list: &TokenStream) -> Vec<TokenStream> {
    let (mut parts, mut part) = (Vec::new(), TokenStream::new());
    for token in list.clone() {
        match token {
            TokenTree::Punct(comma) if comma.as_char() == ',' => {
                if part.is_empty() {
                    cx.error(comma, "unexpected comma; remove it");
                } else {
                    parts.push(std::mem::take(&mut part));
                }
            }
            other => part.extend([other]),
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// The doc comments in `attrs`.
pub(crate) fn docs(attrs: &[Attribute]) -> Vec<Attribute> {
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("doc"))
        .cloned()
        .collect()
}

/// The span of the attribute `name`, if there is one.
pub(crate) fn span_of(attrs: &[Attribute], name: &str) -> Option<Span> {
    attrs
        .iter()
        .find(|attr| attr.path().is_ident(name))
        .map(|attr| attr.path().segments[0].ident.span())
}
