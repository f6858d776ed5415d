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
///   must have, as 16 hexadecimal digits. If the layout changes, the build fails and shows the new fingerprint.
/// - `#[shm(padding)]` on a struct: it may have gaps, bytes that belong to no field. Nothing reads or writes them.
///   The struct cannot be `Copy`: it has no `load` and `store`, and cannot be a value of a `SeqLock`, `Ring` or
///   `Broadcast`. Use it for the struct that a segment consists of, which has locks and queues as fields.
/// - `#[shm(crate = "path::to::shm_core")]` on a struct or enum: the path of the crate if the program has renamed it, or
///   uses another library's re-export. Without it the build fails with an error that asks for it, unless the root module
///   declares `extern crate its_name as shm_core;`. The path must lead to that crate, or to a re-export of all of it. The
///   expansion trusts what it finds there, so your own module in its place is as dangerous as `unsafe` code. The same
///   holds for another crate called `shm_core` or `core`, as after `extern crate self as core`.
/// - `#[shm(rename = "x")]` on a field: its name in the schema and the fingerprint.
#[proc_macro_derive(ShmLayout, attributes(shm))]
pub fn derive_shm_layout(input: TokenStream) -> TokenStream {
    expand::derive(input.into()).into()
}
