//! The recipes that proptest draws, without any rules. `resolve` makes a case of each.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// The recipe of a type.
#[derive(Clone, Debug)]
pub(crate) enum TypeRecipe {
    Scalar(Index),
    Param,
    Array(Box<TypeRecipe>, u8, LenRecipe),
    Wrapping(Box<TypeRecipe>),
    Phantom(Box<TypeRecipe>),
    Paren(Box<TypeRecipe>),
    Alias(Box<TypeRecipe>),
    Associated(Box<TypeRecipe>),
    Holder(Box<TypeRecipe>),
    Def(Index, Box<TypeRecipe>, u8, LenRecipe),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum LenRecipe {
    Literal,
    Sum,
    Param,
}

#[derive(Clone, Debug)]
pub(crate) struct FieldRecipe {
    pub ty: TypeRecipe,
    pub visibility: Index,
    pub renamed: bool,
    pub raw: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum ReprRecipe {
    C,
    CAlign(u8),
    AlignC(u8),
    TwoAttributes(u8),
    Transparent,
}

/// How padding is filled.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FillingRecipe {
    Nothing,
    /// Fields of as many bytes.
    Exact,
    /// The same, but this one has another length.
    Wrong(Index, u8),
    /// Nothing, but the attribute that allows gaps.
    Allowed,
}

#[derive(Clone, Debug)]
pub(crate) enum DefRecipe {
    Struct {
        repr: ReprRecipe,
        tuple: bool,
        params: (bool, bool),
        fields: Vec<FieldRecipe>,
        has_tail: bool,
        version: Option<u8>,
        by_macro: bool,
        filling: FillingRecipe,
        /// The fields that begin a level, if they can.
        levels: Vec<bool>,
    },
    Enum {
        int: Index,
        first: i8,
        /// Distance to the one before, and whether it is written down.
        steps: Vec<(u8, bool)>,
    },
}

/// Something that hides a forbidden type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wrap {
    Array(u8),
    Wrapping,
    Phantom,
    Alias,
    Associated,
    Holder,
    Paren,
}

/// An error in a definition.
#[derive(Clone, Debug)]
pub(crate) enum FaultRecipe {
    Field(Index, Index, Vec<Wrap>),
    Repr(Index),
    Lifetime,
    SameName,
    Empty,
    Union,
    Enum(Index),
}

#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub defs: Vec<DefRecipe>,
    /// Which definition, and what.
    pub faults: Vec<(Index, FaultRecipe)>,
}

fn len() -> impl Strategy<Value = LenRecipe> {
    prop_oneof![
        4 => Just(LenRecipe::Literal),
        1 => Just(LenRecipe::Sum),
        2 => Just(LenRecipe::Param),
    ]
}

fn ty() -> impl Strategy<Value = TypeRecipe> {
    let leaf = prop_oneof![
        5 => any::<Index>().prop_map(TypeRecipe::Scalar),
        2 => Just(TypeRecipe::Param),
    ];
    leaf.prop_recursive(4, 12, 2, |inner| {
        let inner = inner.prop_map(Box::new);
        prop_oneof![
            4 => (inner.clone(), 0..5_u8, len()).prop_map(|(ty, n, len)| TypeRecipe::Array(ty, n, len)),
            1 => inner.clone().prop_map(TypeRecipe::Wrapping),
            1 => inner.clone().prop_map(TypeRecipe::Phantom),
            1 => inner.clone().prop_map(TypeRecipe::Paren),
            1 => inner.clone().prop_map(TypeRecipe::Alias),
            1 => inner.clone().prop_map(TypeRecipe::Associated),
            1 => inner.clone().prop_map(TypeRecipe::Holder),
            6 => (any::<Index>(), inner, 0..5_u8, len())
                .prop_map(|(def, ty, n, len)| TypeRecipe::Def(def, ty, n, len)),
        ]
    })
}

fn field() -> impl Strategy<Value = FieldRecipe> {
    (
        ty(),
        any::<Index>(),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(ty, visibility, renamed, raw)| FieldRecipe {
            ty,
            visibility,
            renamed,
            raw,
        })
}

fn structure() -> impl Strategy<Value = DefRecipe> {
    let repr = prop_oneof![
        8 => Just(ReprRecipe::C),
        1 => (0..8_u8).prop_map(ReprRecipe::CAlign),
        1 => (0..8_u8).prop_map(ReprRecipe::AlignC),
        1 => (0..8_u8).prop_map(ReprRecipe::TwoAttributes),
        2 => Just(ReprRecipe::Transparent),
    ];
    let filling = prop_oneof![
        5 => Just(FillingRecipe::Nothing),
        12 => Just(FillingRecipe::Exact),
        3 => Just(FillingRecipe::Allowed),
        3 => (any::<Index>(), 0..140_u8).prop_map(|(pad, len)| FillingRecipe::Wrong(pad, len)),
    ];
    (
        repr,
        prop::bool::weighted(0.2),
        (prop::bool::weighted(0.25), prop::bool::weighted(0.15)),
        vec(field(), 1..7),
        prop::bool::weighted(0.15),
        prop::option::weighted(0.1, 1..9_u8),
        prop::bool::weighted(0.15),
        filling,
        prop_oneof![
            1 => Just(Vec::new()),
            3 => vec(prop::bool::weighted(0.8), 7),
        ],
    )
        .prop_map(
            |(repr, tuple, params, fields, has_tail, version, by_macro, filling, levels)| {
                DefRecipe::Struct {
                    repr,
                    tuple,
                    params,
                    fields,
                    has_tail,
                    version,
                    by_macro,
                    filling,
                    levels,
                }
            },
        )
}

fn enumeration() -> impl Strategy<Value = DefRecipe> {
    (
        any::<Index>(),
        -3..4_i8,
        vec((1..9_u8, any::<bool>()), 0..5),
    )
        .prop_map(|(int, first, steps)| DefRecipe::Enum { int, first, steps })
}

fn fault() -> impl Strategy<Value = FaultRecipe> {
    let wrap = prop_oneof![
        2 => (0..4_u8).prop_map(Wrap::Array),
        1 => Just(Wrap::Wrapping),
        1 => Just(Wrap::Phantom),
        2 => Just(Wrap::Alias),
        2 => Just(Wrap::Associated),
        2 => Just(Wrap::Holder),
        1 => Just(Wrap::Paren),
    ];
    prop_oneof![
        12 => (any::<Index>(), any::<Index>(), vec(wrap, 0..4))
            .prop_map(|(field, ty, wraps)| FaultRecipe::Field(field, ty, wraps)),
        3 => any::<Index>().prop_map(FaultRecipe::Repr),
        1 => Just(FaultRecipe::Lifetime),
        1 => Just(FaultRecipe::SameName),
        1 => Just(FaultRecipe::Empty),
        1 => Just(FaultRecipe::Union),
        2 => any::<Index>().prop_map(FaultRecipe::Enum),
    ]
}

pub(crate) fn recipe() -> impl Strategy<Value = Recipe> {
    let def = prop_oneof![6 => structure(), 1 => enumeration()];
    let faults = prop_oneof![
        3 => Just(Vec::new()),
        2 => vec((any::<Index>(), fault()), 1..3),
    ];
    (vec(def, 1..5), faults).prop_map(|(defs, faults)| Recipe { defs, faults })
}
