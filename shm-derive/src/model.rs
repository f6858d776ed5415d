//! The item, as the rest of the derive sees it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Attribute, Data, DeriveInput, Fields, Generics, Type, Variant, Visibility};

use crate::attr;
use crate::ctxt::Ctxt;
use crate::lifetimes;
use crate::repr::Repr;
use crate::ty::slice;

/// A struct, enum or union.
pub(crate) struct Model<'a> {
    pub(crate) item: &'a DeriveInput,
    pub(crate) ident: &'a Ident,
    pub(crate) vis: &'a Visibility,
    /// Without lifetimes.
    pub(crate) generics: &'a Generics,
    /// The arguments that follow the name: `<T, N>`, nothing, or with `'static` for each removed lifetime.
    pub(crate) arguments: TokenStream,
    pub(crate) attr: attr::Container,
    pub(crate) repr: Repr,
    pub(crate) shape: Shape,
    pub(crate) fields: Vec<Field<'a>>,
    /// The variants of an enum.
    pub(crate) variants: Vec<&'a Variant>,
    /// Set by the checks if a field contains the struct itself.
    pub(crate) recursive: bool,
}

/// The kind of item.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Named,
    Tuple,
    Unit,
    /// An enum, whose variants are in [`Model::variants`].
    Enum,
    Union,
}

/// A field.
pub(crate) struct Field<'a> {
    pub(crate) ident: Option<&'a Ident>,
    /// The name as written, or the number in a tuple struct, for messages.
    pub(crate) name: String,
    /// The name in the schema and the fingerprint.
    pub(crate) schema_name: String,
    /// The level that has added the field, and the span of its number.
    pub(crate) since: Option<(u32, Span)>,
    pub(crate) vis: &'a Visibility,
    pub(crate) docs: Vec<Attribute>,
    pub(crate) ty: &'a Type,
    /// Set by the checks if the type is refused by its tokens. The view then has no cell for it.
    pub(crate) refused: bool,
}

impl<'a> Model<'a> {
    pub(crate) fn read(cx: &Ctxt, item: &'a DeriveInput, lifetimes: usize) -> Self {
        let (shape, fields) = match &item.data {
            Data::Struct(data) => {
                let shape = match &data.fields {
                    Fields::Named(_) => Shape::Named,
                    Fields::Unnamed(_) => Shape::Tuple,
                    Fields::Unit => Shape::Unit,
                };
                let fields = data
                    .fields
                    .iter()
                    .enumerate()
                    .map(|(number, field)| Field::read(cx, number, field));
                (shape, fields.collect())
            }
            Data::Enum(_) => (Shape::Enum, Vec::new()),
            Data::Union(_) => (Shape::Union, Vec::new()),
        };
        let variants = match &item.data {
            Data::Enum(data) => data.variants.iter().collect(),
            _ => Vec::new(),
        };
        Self {
            item,
            ident: &item.ident,
            vis: &item.vis,
            generics: &item.generics,
            arguments: lifetimes::arguments(lifetimes, &item.generics),
            attr: attr::Container::read(cx, &item.attrs),
            repr: Repr::read(cx, &item.attrs),
            shape,
            fields,
            variants,
            recursive: false,
        }
    }

    /// The element type of the trailing slice, if the struct ends in one.
    pub(crate) fn tail(&self) -> Option<&'a Type> {
        slice(self.fields.last()?.ty)
    }

    /// The newest level: that of the last field.
    pub(crate) fn level(&self) -> u32 {
        self.fields.last().map_or(0, Field::level)
    }

    /// Whether the struct has type or const parameters.
    pub(crate) fn is_generic(&self) -> bool {
        !self.generics.params.is_empty()
    }
}

impl<'a> Field<'a> {
    fn read(cx: &Ctxt, number: usize, field: &'a syn::Field) -> Self {
        let name = field
            .ident
            .as_ref()
            .map_or_else(|| number.to_string(), |ident| ident.unraw().to_string());
        let attr = attr::Field::read(cx, &field.attrs);
        Self {
            ident: field.ident.as_ref(),
            schema_name: attr.rename.unwrap_or_else(|| name.clone()),
            since: attr.since,
            name,
            vis: &field.vis,
            docs: attr::docs(&field.attrs),
            ty: &field.ty,
            refused: false,
        }
    }

    /// The level that has added the field.
    pub(crate) fn level(&self) -> u32 {
        self.since.map_or(0, |(level, _)| level)
    }

    /// The span for an error about the field as a whole: its name, or its type in a tuple struct.
    pub(crate) fn span(&self) -> Span {
        match self.ident {
            Some(ident) => ident.span(),
            None => self
                .ty
                .to_token_stream()
                .into_iter()
                .next()
                .map_or_else(Span::call_site, |token| token.span()),
        }
    }
}
