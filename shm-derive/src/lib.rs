//! `#[derive(ShmLayout)]` for the `shm-core` crate, which re-exports it. Use it from there.
//!
//! The pipeline is parse, model, check, emit:
//!
//! - `renamed` finds out under which name the program knows `shm-core`;
//! - `receiver` replaces `Self` by the type's own name, since the view repeats the types of the fields, and
//!   `lifetimes` removes the struct's lifetimes;
//! - `attr` and `repr` read the attributes, and `model` collects what the rest works on;
//! - `check` has one function per rule; a `ctxt::Ctxt` collects all errors, so that one build reports them;
//! - `emit` writes the view, the implementation and the checks, and cannot fail. After errors it still writes them as
//!   far as it can, so that uses of the type cause no errors of their own;
//! - `bound`, `diagnose`, `size` and `ty` look at types: which bounds a parameter needs, which trait names the reason
//!   if a type is refused, which sizes the tokens tell.
//!
//! Rules that depend on the types themselves (whether a field's type can be shared, where padding is) are trait
//! bounds and constants of `shm-core`, which see through aliases and generics.

mod attr;
mod bound;
mod check;
mod ctxt;
mod diagnose;
mod emit;
mod expand;
mod lifetimes;
mod model;
mod receiver;
mod renamed;
mod repr;
mod size;
mod ty;

use proc_macro::TokenStream;

/// Makes a struct or enum shareable between processes. It checks at compile time that the type is plain data, without
/// pointers and padding, and gives it `create`, `attach` and a view of its fields as cells.
///
/// A struct needs `#[repr(C)]` or `#[repr(transparent)]`. Its fields can be fixed-width integers, floats, `bool`,
/// `char`, arrays, standard atomics, `Wrapping`, `Option<NonZero..>`, `PhantomData`, this library's `ShmStr`,
/// `ShmVec`, `ShmOffset` and synchronised types, other types with this derive, type parameters, and their associated
/// types. The last field can be a slice `[T]`.
///
/// An enum needs a `repr` of a fixed-width integer, such as `#[repr(u8)]`, and variants without fields.
///
/// Type parameters that a field stores get the bound `T: ShmLayout`. Other parameters, such as that of a
/// `PhantomData`, need no bound.
///
/// # Attributes
///
/// - `#[shm(version = 3)]` on a struct: a number that is part of the fingerprint, for changes of meaning that the
///   fields do not show.
/// - `#[shm(pin = "0123456789abcdef")]` on a struct without parameters or an enum: the fingerprint that the layout
///   must have, as 16 hexadecimal digits. If the layout changes, the build fails and shows the new fingerprint. A struct
///   with levels has a list with one fingerprint for each: `#[shm(pin = ["0123456789abcdef", "fedcba9876543210"])]`.
/// - `#[shm(padding)]` on a struct: it may have gaps, bytes that belong to no field. Nothing reads or writes them.
///   The struct cannot be `Copy`: it has no `load` and `store`, and cannot be a value of a `SeqLock`, `Ring` or
///   `Broadcast`. Use it for the struct that a segment consists of, which has locks and queues as fields.
/// - `#[shm(crate = "path::to::shm_core")]` on a struct or enum: the path of the crate if the program has renamed it, or
///   uses another library's re-export. Without it the build fails with an error that asks for it, unless the root module
///   declares `extern crate its_name as shm_core;`. The path must lead to that crate, or to a re-export of all of it. The
///   expansion trusts what it finds there, so your own module in its place is as dangerous as `unsafe` code. The same
///   holds for another crate called `shm_core` or `core`, as after `extern crate self as core`.
/// - `#[shm(room = 1024)]` on a struct: the bytes that its segments keep for fields that later versions append. Without
///   it, a segment keeps the rest of its last page, and at least 1024.
/// - `#[shm(rename = "x")]` on a field: its name in the schema and the fingerprint.
/// - `#[shm(since = 1)]` on a field: the level that has appended it. See below.
///
/// # Levels
///
/// A struct can grow while programs of the previous version use its segments. New fields go to the end and get the
/// next level; those of the first version have no `since` and are level 0. It needs no preparation: a struct that was
/// never meant to grow can grow.
///
/// ```ignore
/// #[derive(ShmLayout)]
/// #[repr(C)]
/// struct Status {
///     beat: u64,
///     load: f64,
///     #[shm(since = 1)] temperature: u32,
///     #[shm(since = 1)] humidity: u32,
///     #[shm(since = 2)] fan: Mutex<Fan>,
/// }
/// ```
///
/// A program of level 0 shares `beat` and `load` with one of level 2, and either of them can create the segment.
/// `LEVEL` is the newest level. `FINGERPRINT` and what programs compare first are those of level 0, so they stay the
/// same. Access to a field costs the same with levels as without.
///
/// - `since` never decreases from field to field, and no level is left out.
/// - In a segment of an older program, new fields are all zeros until a program that knows them writes. So zero must be a value of
///   their types: an enum needs a variant of value 0.
/// - Each level is a struct of its own for the programs that know no more, so it has no padding either, unless the struct
///   has `#[shm(padding)]`. A `_pad` field that fills up a level has its `since`.
/// - A new field is aligned to at most 128 bytes, or to the alignment of level 0 if that is larger.
/// - The struct does not end in a slice, and is never a field, an element or the value of another type: it would move
///   what follows. The same holds for a struct with `room`.
#[proc_macro_derive(ShmLayout, attributes(shm))]
pub fn derive_shm_layout(input: TokenStream) -> TokenStream {
    expand::derive(input.into()).into()
}
