//! `#[derive(ShmLayout)]` for the `shm-core` crate, which re-exports it: use it from there.
//!
//! The pipeline is parse, model, check, emit:
//!
//! - `receiver` writes the type's own name for `Self`, which would be another type in the view, and `lifetimes` removes the
//!   struct's lifetimes;
//! - `attr` and `repr` read the attributes, `model` turns the item into what the rest works on;
//! - `diagnose` finds the argument to name when a generic type is refused because of it;
//! - `check` holds one function per rule; all mistakes are collected in a `ctxt::Ctxt` and reported at once;
//! - `emit` writes the view, the implementation and the padding checks, and cannot fail. After mistakes it
//!   still writes them, as far as they can be told, so that uses of the type cause no errors of their own.
//!
//! What needs the types themselves (whether a field's type can be shared, where padding lies) is not decided here
//! but by trait bounds and constants of `shm-core`, which see through aliases and generics.

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
mod repr;
mod size;
mod ty;

use proc_macro::TokenStream;

/// Makes a struct shareable between processes: checks at compile time that it is plain data without pointers and
/// padding, and gives it `create`, `attach` and a view of its fields as cells.
///
/// A struct needs `#[repr(C)]` or `#[repr(transparent)]`. Its fields may be fixed-width integers, floats, `bool`,
/// `char`, arrays, standard atomics, `Wrapping`, `Option<NonZero..>`, `PhantomData`, this library's `ShmStr`, `ShmVec`
/// and `ShmOffset`, other types with this derive, type parameters, and their associated types. The last field may be a
/// slice `[T]`.
///
/// An enum needs a `repr` of an integer of fixed width, such as `#[repr(u8)]`, and variants without fields.
///
/// # Attributes
///
/// - `#[shm(version = 3)]` on the struct: a number that is part of the fingerprint, for changes of meaning that the
///   fields do not show.
/// - `#[shm(pin = "0123456789abcdef")]` on a struct without parameters or an enum: the fingerprint that the layout must
///   have, 16 hexadecimal digits. The build fails when the layout changes, and tells the new one.
/// - `#[shm(crate = "path::to::shm_core")]` on the struct or enum: where to find the crate if it was renamed.
///   The path must lead to that crate or a re-export of all of it: the expansion vouches for what it finds there, so a
///   module of one's own in its place is as dangerous as `unsafe` code. So is to call another crate `shm_core` or `core`, as
///   `extern crate self as core` does.
/// - `#[shm(padding)]` on the struct: it may have gaps, bytes that belong to no field. Nothing reads or writes them. Such a struct
///   cannot be `Copy`, so it is used field by field: it has no `load` and `store`, and is no value of a `SeqLock`, `Ring` or
///   `Broadcast`. It is for the struct that a segment consists of, which holds locks and queues.
/// - `#[shm(rename = "x")]` on a field: its name in the schema and the fingerprint.
#[proc_macro_derive(ShmLayout, attributes(shm))]
pub fn derive_shm_layout(input: TokenStream) -> TokenStream {
    expand::derive(input.into()).into()
}
