//! The traits that the compiler names when it refuses a type.
//!
//! [`Refusable`] lists the types of the standard library that cannot be shared, each with the reason, and all generic types
//! that are shared if their arguments are. One implementation of [`ShmLayout`] covers them all. It requires a bound, which never
//! holds for the first: [`SharedMemory`] implements none of the `Holds` traits here. Each of these stands for a reason, and
//! carries the explanation and the remedy that the compiler prints, also for types behind an alias or an associated type, and for
//! arguments at any depth.
//!
//! Programs do not use any of this, and cannot implement any of it without `unsafe`: such an implementation could pass a pointer
//! off as plain data.

// Four things keep the compiler's messages short. The one implementation is for a type parameter, so it is not listed among the
// types that implement `ShmLayout`. The others in this crate are marked `do_not_recommend`. The bounds that fail are on another
// type (`SharedMemory`), or else their texts would give way to that of `ShmLayout`. And a type that may be refused has the one
// implementation only: where two fail, the compiler looks into neither.
//
// A function that is called on a type that cannot be shared (`Ring::<Box<u8>, 2>::create(..)`) is an error of another kind, since
// the search for the function fails (E0599). It has our words if all bounds that fail are of one trait, and one of them is on the
// type itself: `SharedWith`, if an argument is refused. As that trait cannot depend on the reason, its text names the argument, and
// all common reasons. The search goes on with references to the type: see `never_shared`.
//
// The derive sees the arguments of a field's type. It requires the one that may be refused to be a `..PartOf` the type, which
// holds exactly if the type can be shared. Its text speaks of the argument, and the compiler underlines only that. As the compiler
// explains nothing further then, the derive requires it only if the type itself is not known. An associated type of an argument
// is not visible where the struct is used, so the struct's own derive lists the types that it stores, and the derive that uses it
// lets the compiler infer that list (`SharedParts`).

use std::marker::PhantomData;

use crate::access::Access;
use crate::layout::TypeLayout;
use crate::shm_layout::ShmLayout;

/// Declares a trait `P<W>` for the types among the arguments of `W`. It holds for each of them exactly if `W` can be
/// shared.
macro_rules! part_of {
    ($(#[$words:meta])* pub trait $part_of:ident<W>;) => {
        $(#[$words])*
        pub trait $part_of<W: ?Sized> {
            /// [`ShmLayout::LAYOUT`](crate::ShmLayout::LAYOUT) of `W`.
            const LAYOUT: &'static $crate::TypeLayout;

            #[doc(hidden)]
            const SEAL: $crate::diagnostics::sealed::Seal;
        }

        #[diagnostic::do_not_recommend]
        impl<W: $crate::ShmLayout + ?Sized, T: ?Sized> $part_of<W> for T {
            const LAYOUT: &'static $crate::TypeLayout = W::LAYOUT;
            const SEAL: $crate::diagnostics::sealed::Seal = $crate::diagnostics::sealed::Seal;
        }
    };
}

mod reasons;

pub use reasons::*;

pub(crate) mod sealed {
    /// Never implemented, so that its subtraits cannot be implemented either.
    pub trait Never<T: ?Sized> {}
    /// Never implemented.
    pub trait Nowhere<'a> {}
    /// Never implemented. Where an implementation may assume it, `Nowhere` is still not.
    pub trait Nobody<'a> {}
    /// Stands for what the compiler does not know of an unknown type.
    #[derive(Debug)]
    pub enum Undecided {}
    /// The type of a constant that other crates cannot write, because they cannot name it.
    #[derive(Debug)]
    pub struct Seal;
}

/// Stands for shared memory in the bounds of this module.
#[derive(Debug)]
pub enum SharedMemory {}

/// Implemented by [`SharedMemory`] for the types that are [`Refusable`].
#[diagnostic::on_unimplemented(
    message = "`{T}` cannot be placed in shared memory",
    label = "not a type that processes can share",
    note = "if it is your own struct, add `#[derive(ShmLayout)]` and `#[repr(C)]`; for an enum without data, the \
     derive and `#[repr(u8)]`; of other types, store the parts as integers, floats, `bool`s or arrays"
)]
pub trait Knows<T: ?Sized> {
    /// [`Refusable::Argument`].
    type Argument: ?Sized;

    /// [`Refusable::Reason`].
    type Reason;

    // Without it, a local type among the parameters would suffice to implement this trait for `SharedMemory`.
    #[doc(hidden)]
    const SEAL: sealed::Seal;
}

#[diagnostic::do_not_recommend]
impl<T: Refusable + ?Sized> Knows<T> for SharedMemory {
    type Argument = T::Argument;
    type Reason = T::Reason;
    const SEAL: sealed::Seal = sealed::Seal;
}

// Never holds. With only one implementation, the compiler would continue to `Refusable`, and name that as well. Other crates must
// assume that it may hold one day, so `Argument` is not `Undecided`: that would leave no room for their own implementations of
// `ShmLayout`.
#[diagnostic::do_not_recommend]
impl<T: ?Sized> Knows<T> for SharedMemory
where
    for<'a> Self: sealed::Nowhere<'a>,
{
    type Argument = T;
    type Reason = sealed::Undecided;
    const SEAL: sealed::Seal = sealed::Seal;
}

/// A type that is never shared, or a generic type, which is shared if its arguments are.
///
/// These types have no implementation of [`ShmLayout`] of their own. The one for all of them requires [`SharedWith`].
///
/// # Safety
///
/// `Reason` must be [`Arguments`], or another reason that this module declares.
pub unsafe trait Refusable {
    /// The argument that decides, or [`Itself`].
    type Argument: ?Sized;

    /// Why the type is refused: [`Arguments`] for a generic type, which is not refused with every argument.
    type Reason;
}

/// The reason to refuse some instances of a generic type: an argument that cannot be shared.
#[derive(Debug)]
pub enum Arguments {}

/// The argument, for a type that is never shared.
#[derive(Debug)]
pub enum Itself {}

/// The argument, for a struct with several type parameters: one of these is the reason.
#[derive(Debug)]
pub struct OneOf<T: ?Sized>(PhantomData<T>);

/// The argument, for a struct that stores an associated type of `T`: this type is the reason.
#[derive(Debug)]
pub struct AssociatedTypeOf<T: ?Sized>(PhantomData<T>);

/// What [`ShmLayout`] has, for a type that is shared with the argument `T`.
///
/// # Safety
///
/// That of [`ShmLayout`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be placed in shared memory, because of `{T}`",
    label = "not a type that processes can share",
    note = "your own struct needs `#[derive(ShmLayout)]` and `#[repr(C)]`, an enum without data the derive and \
     `#[repr(u8)]`; the value of a `SeqLock` or `Broadcast` must be `Copy` as well: `#[derive(Clone, Copy)]`",
    note = "`Box`, `Vec` and `String` keep their contents on this process's heap: store them in place, as `ShmVec<u32, \
     64>`, `ShmStr<64>` or an array; pointers and references are addresses, which mean nothing in another process: \
     use a `ShmOffset`; the layout of `usize`, `Option`s and tuples differs from program to program: write `u64`, a \
     `bool` next to the value, a `#[repr(C)]` struct"
)]
pub unsafe trait SharedWith<T: ?Sized, R>: 'static {
    // The names differ from those of `ShmLayout`, since `u64::LAYOUT` would be ambiguous in an implementation of this trait.
    /// [`ShmLayout::View`].
    type SharedView<A: Access>: ?Sized;

    /// [`ShmLayout::LAYOUT`].
    const SHARED_LAYOUT: &'static TypeLayout;

    #[doc(hidden)]
    fn shared_view_at<A: Access>(payload: *const (), tail: usize) -> *const Self::SharedView<A>;
}

// SAFETY: no type has this reason, which other crates cannot name. With this implementation, the compiler does not report
// that an unknown type is not `SharedWith` something unknown.
unsafe impl<T: ?Sized + 'static> SharedWith<sealed::Undecided, sealed::Undecided> for T {
    type SharedView<A: Access> = Refused;
    const SHARED_LAYOUT: &'static TypeLayout = &TypeLayout::refused();
    fn shared_view_at<A: Access>(payload: *const (), _: usize) -> *const Refused {
        payload.cast()
    }
}

/// A type that can be a field of a shared struct: the same as [`ShmLayout`].
///
/// The derive requires it because the compiler has no implementations of it to list. Other crates cannot implement
/// it, since that would take no `unsafe`, and the derive trusts the layout.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be placed in shared memory",
    label = "not a type that processes can share",
    note = "a reference is an address, which means nothing in another process: store the value itself, or a `ShmOffset` to a \
     place in the same segment",
    note = "if it is your own struct, add `#[derive(ShmLayout)]` and `#[repr(C)]`; for an enum without data, the \
     derive and `#[repr(u8)]`; of other types, store the parts as integers, floats, `bool`s or arrays"
)]
pub trait Field {
    /// [`ShmLayout::LAYOUT`].
    const LAYOUT: &'static TypeLayout;

    // Not a private supertrait, which every message about a field would mention.
    #[doc(hidden)]
    const SEAL: sealed::Seal;
}

impl<T: ShmLayout + ?Sized> Field for T {
    const LAYOUT: &'static TypeLayout = T::LAYOUT;
    const SEAL: sealed::Seal = sealed::Seal;
}

/// Implements [`ShmLayout`] for a generic type that is shared if its argument is: parameters without the bound, the type and its
/// argument, then the implementation.
///
/// The implementation is one of [`SharedWith`]. The documentation shows it as one of `ShmLayout`, with the bounds after `shown`.
macro_rules! shared_with {
    ([$($param:tt)*] $ty:ty, $argument:ty; unsafe impl[$($bounded:tt)*] ShmLayout $items:tt) => {
        $crate::diagnostics::shared_with! {
            [$($param)*] $ty, $argument;
            unsafe impl[$($bounded)*] shown[$($bounded)*] ShmLayout $items
        }
    };
    (
        [$($param:tt)*] $ty:ty, $argument:ty;
        unsafe impl[$($bounded:tt)*] shown[$($shown:tt)*] ShmLayout {
            type View<A: Access> = $view:ty;
            const LAYOUT: &'static TypeLayout = $layout:expr;
            fn view_at<A: Access>($payload:ident: *const (), $tail:tt: usize) -> *const Self::View<A> {
                $address:expr
            }
        }
    ) => {
        // SAFETY: `Arguments`.
        #[diagnostic::do_not_recommend]
        unsafe impl<$($param)*> $crate::diagnostics::Refusable for $ty {
            type Argument = $argument;
            type Reason = $crate::diagnostics::Arguments;
        }

        // SAFETY: by the caller, who explains it where this is used.
        #[cfg(not(doc))]
        unsafe impl<$($bounded)*> $crate::diagnostics::SharedWith<$argument, $crate::diagnostics::Arguments> for $ty {
            type SharedView<A: $crate::access::Access> = $view;
            const SHARED_LAYOUT: &'static $crate::layout::TypeLayout = $layout;
            #[inline]
            fn shared_view_at<A: $crate::access::Access>($payload: *const (), $tail: usize) -> *const Self::SharedView<A> {
                $address
            }
        }

        // SAFETY: the same.
        #[cfg(doc)]
        unsafe impl<$($shown)*> $crate::shm_layout::ShmLayout for $ty {
            type View<A: $crate::access::Access> = $view;
            const LAYOUT: &'static $crate::layout::TypeLayout = $layout;
            #[inline]
            fn view_at<A: $crate::access::Access>($payload: *const (), $tail: usize) -> *const Self::View<A> {
                $address
            }
        }
    };
}
pub(crate) use shared_with;

part_of! {
    /// A type among the arguments of `W` that can be a field. If `W` is refused, this argument is the reason.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` in `{W}` cannot be placed in shared memory",
        label = "not a type that processes can share",
        note = "if it is your own struct, add `#[derive(ShmLayout)]` and `#[repr(C)]`; for an enum without data, \
         the derive and `#[repr(u8)]`; of other types, store the parts as integers, floats, `bool`s or arrays; a \
         struct that ends in a slice can only be a segment"
    )]
    pub trait PartOf<W>;
}

/// Like [`Field`], for a generic type whose name does not tell whether the type or an argument is the reason.
///
/// `P` is [`StoredTypes`] or [`UnknownTypes`]. The derive lets the compiler infer it. As the only implementation
/// requires nothing but a trait of `P`, the compiler does not look further before it has inferred `P`.
pub trait SharedParts<P: ?Sized> {
    /// [`ShmLayout::LAYOUT`], and `P` for the inference.
    const LAYOUT: (&'static TypeLayout, PhantomData<P>);

    #[doc(hidden)]
    const SEAL: sealed::Seal;
}

impl<W: ?Sized, P: PartsOf<W> + ?Sized> SharedParts<P> for W {
    const LAYOUT: (&'static TypeLayout, PhantomData<P>) = (P::LAYOUT, PhantomData);
    const SEAL: sealed::Seal = sealed::Seal;
}

/// Implemented for [`StoredTypes`] and [`UnknownTypes`] if `W` can be shared.
pub trait PartsOf<W: ?Sized> {
    /// [`ShmLayout::LAYOUT`] of `W`.
    const LAYOUT: &'static TypeLayout;

    #[doc(hidden)]
    const SEAL: sealed::Seal;
}

/// The types `T` that a generic struct stores, if an associated type is among them: one type, or a tuple.
#[derive(Debug)]
pub struct StoredTypes<T: ?Sized>(PhantomData<T>);

/// For a type whose stored types are unknown.
#[derive(Debug)]
pub enum UnknownTypes {}

impl<W: ?Sized> PartsOf<W> for UnknownTypes
where
    SharedMemory: HoldsInstance<W>,
{
    const LAYOUT: &'static TypeLayout = <SharedMemory as HoldsInstance<W>>::LAYOUT;
    const SEAL: sealed::Seal = sealed::Seal;
}

impl<W: ?Sized, T: ?Sized> PartsOf<W> for StoredTypes<T>
where
    SharedMemory: HoldsStored<T, W>,
{
    const LAYOUT: &'static TypeLayout = <SharedMemory as HoldsStored<T, W>>::LAYOUT;
    const SEAL: sealed::Seal = sealed::Seal;
}

/// Implemented by [`SharedMemory`] for each `W` that can be shared.
#[diagnostic::on_unimplemented(
    message = "`{W}` cannot be placed in shared memory, because of itself, an argument, or an associated type of an \
     argument",
    label = "one of these is not a type that processes can share",
    note = "each of them must be a type that could be a field: your own structs need `#[derive(ShmLayout)]` and \
     `#[repr(C)]`, enums without data the derive and `#[repr(u8)]`; the value of a `SeqLock` or `Broadcast` must be \
     `Copy` as well: `#[derive(Clone, Copy)]`"
)]
pub trait HoldsInstance<W: ?Sized> {
    /// [`ShmLayout::LAYOUT`] of `W`.
    const LAYOUT: &'static TypeLayout;

    #[doc(hidden)]
    const SEAL: sealed::Seal;
}

#[diagnostic::do_not_recommend]
impl<W: ShmLayout + ?Sized> HoldsInstance<W> for SharedMemory {
    const LAYOUT: &'static TypeLayout = W::LAYOUT;
    const SEAL: sealed::Seal = sealed::Seal;
}

/// Implemented by [`SharedMemory`] for each `W` that can be shared, and any `T`. The derive requires it for the types
/// `T` that `W` stores: if `W` is refused, one of them is the reason.
///
/// It is not a trait of `T`, because the compiler would then also show the definition of `T`.
#[diagnostic::on_unimplemented(
    message = "`{W}` cannot be placed in shared memory, because of what it stores: `{T}`",
    label = "stores a type that processes cannot share",
    note = "each stored type must be one that could be a field: your own structs need `#[derive(ShmLayout)]` and \
     `#[repr(C)]`, enums without data the derive and `#[repr(u8)]`; of other types, store the parts as integers, \
     floats, `bool`s or arrays; the value of a `SeqLock` or `Broadcast` must be `Copy` as well"
)]
pub trait HoldsStored<T: ?Sized, W: ?Sized> {
    /// [`ShmLayout::LAYOUT`] of `W`.
    const LAYOUT: &'static TypeLayout;

    #[doc(hidden)]
    const SEAL: sealed::Seal;
}

#[diagnostic::do_not_recommend]
impl<T: ?Sized, W: ShmLayout + ?Sized> HoldsStored<T, W> for SharedMemory {
    const LAYOUT: &'static TypeLayout = W::LAYOUT;
    const SEAL: sealed::Seal = sealed::Seal;
}

part_of! {
    /// Like [`PartOf`], for a `W` called `Mutex`, which may be the standard library's.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` in `{W}` cannot be placed in shared memory, or the lock itself cannot",
        label = "not a type that processes can share",
        note = "if it is your own struct, add `#[derive(ShmLayout)]` and `#[repr(C)]`; for an enum without data, \
         the derive and `#[repr(u8)]`; of other types, store the parts as integers, floats, `bool`s or arrays; a \
         struct that ends in a slice can only be a segment; the lock must be a `shm_core::sync::Mutex`, since the \
         standard library's works only inside one process"
    )]
    pub trait LockedPartOf<W>;
}

part_of! {
    /// Like [`PartOf`], for a `W` called `SeqLock` or `Broadcast`, and a type that is its value or part of it.
    #[diagnostic::on_unimplemented(
        message = "`{W}` copies its value as a whole, so `{Self}` must be `Copy`, and a type that processes can \
         share",
        label = "lacks `Copy` or the derive",
        note = "add `#[derive(Clone, Copy, ShmLayout)]` and `#[repr(C)]` to your own struct; one that cannot be \
         `Copy`, such as one with a `ShmVec` or `#[shm(padding)]`, can be in a `Mutex`"
    )]
    pub trait WholePartOf<W>;
}

part_of! {
    /// Like [`WholePartOf`], for a value that is known to be shareable, so that only `Copy` can be missing.
    #[diagnostic::on_unimplemented(
        message = "`{W}` copies its value as a whole, but `{Self}` is not `Copy`",
        label = "cannot be copied as a whole",
        note = "write the plain number, such as `u64`, instead of an atomic; put a value that is changed in place \
         into a `Mutex`, or send it through a `Ring`; if the value is a type parameter, require `T: Copy`"
    )]
    pub trait CopiedPartOf<W>;
}

/// A `Copy` type, as the value of `W` must be.
#[diagnostic::on_unimplemented(
    message = "`{W}` copies its value as a whole, but `{Self}` is not `Copy`",
    label = "cannot be copied as a whole",
    note = "write the plain number, such as `u64`, instead of an atomic; put a value that is changed in place \
     into a `Mutex`, or send it through a `Ring`; if the value is a type parameter, require `T: Copy`"
)]
pub trait CopiedIn<W: ?Sized> {
    #[doc(hidden)]
    const SEAL: sealed::Seal;
}

#[diagnostic::do_not_recommend]
impl<T: Copy, W: ?Sized> CopiedIn<W> for T {
    const SEAL: sealed::Seal = sealed::Seal;
}

/// Implemented by [`SharedMemory`] for each sized type `T`, as a field must be if it is not written as a slice.
///
/// The derive requires it of names that may stand for a slice. A slice at the end is written out in the struct that
/// is the segment, as `tail: [u8]`. Elsewhere write an array, or a [`ShmVec`](crate::ShmVec).
#[diagnostic::on_unimplemented(
    message = "`{T}` has no fixed size, so it cannot be a field",
    label = "ends in a slice, or is a trait object",
    note = "a struct that ends in a slice can only be a segment: write its fields here, or an array instead of the \
     slice; instead of a trait object, store a concrete type"
)]
pub trait Measures<T: ?Sized> {
    /// The type of the cell: `T`, or a placeholder for one that is refused in any case.
    type Itself;

    /// `T`, which [`Field`] is required of.
    type Asked: ?Sized;
}

#[diagnostic::do_not_recommend]
impl<T> Measures<T> for SharedMemory {
    type Itself = T;
    type Asked = T;
}

// Never holds. With only one implementation for a type, the compiler would print its own words. And as this one is
// for all types, no other crate can add any.
#[diagnostic::do_not_recommend]
impl<T: ?Sized> Measures<T> for SharedMemory
where
    for<'a> Self: sealed::Nowhere<'a>,
{
    type Itself = Refused;
    type Asked = T;
}

macro_rules! without_size {
    ($([$($param:tt)*] $ty:ty),*) => {$(
        #[diagnostic::do_not_recommend]
        impl<$($param)*> Measures<$ty> for SharedMemory {
            type Itself = Refused;
            type Asked = $ty;
        }
    )*};
}

// These have a reason of their own, which the bound on the layout reports.
without_size! { [T] [T], [] str, [] std::ffi::CStr, [] std::ffi::OsStr, [] std::path::Path }

/// Implemented by [`SharedMemory`] for each sized type `T`, whose segment is created without a length.
///
/// That is every type except those that end in a slice. It replaces `T: Sized`, for which the compiler has no advice.
#[diagnostic::on_unimplemented(
    message = "`{T}` ends in a slice, so its segment must be created with a length",
    label = "the number of elements is missing",
    note = "write `create_with_len(name, n)`, `open_or_create_with_len(name, n)` or `create_anonymous_with_len(n)`; with other \
            options or a closure, `options().len(n)`"
)]
pub trait KnowsLengthOf<T: ?Sized, const GIVEN: bool = false> {
    #[doc(hidden)]
    const SEAL: sealed::Seal;
}

#[diagnostic::do_not_recommend]
impl<T> KnowsLengthOf<T> for SharedMemory {
    const SEAL: sealed::Seal = sealed::Seal;
}

#[diagnostic::do_not_recommend]
impl<T: ?Sized> KnowsLengthOf<T, true> for SharedMemory {
    const SEAL: sealed::Seal = sealed::Seal;
}

// Never holds: see the one of `Measures`.
#[diagnostic::do_not_recommend]
impl<T: ?Sized> KnowsLengthOf<T> for SharedMemory
where
    for<'a> Self: sealed::Nowhere<'a>,
{
    const SEAL: sealed::Seal = sealed::Seal;
}

/// Never implemented. The compiler names it when the guard `G` of a lock, which is not `Send`, is sent to another
/// thread.
#[diagnostic::on_unimplemented(
    message = "`{G}` cannot leave the thread that created it",
    label = "cannot be sent to another thread",
    note = "create the guard in the thread that uses it, or lend `&guard` to scoped threads; the lock itself can be used in \
            all threads"
)]
pub trait AllowsSending<G>: sealed::Never<G> {}

/// Implemented by all `Copy` types, and by the derive for generic structs with `#[shm(padding)]`, so that a struct
/// cannot be both.
///
/// For structs that are not generic a constant checks it, with a text of its own.
pub trait CopyOrPadding {}

#[diagnostic::do_not_recommend]
impl<T: Copy> CopyOrPadding for T {}

/// The view of a refused type: a cell of it has no methods. It names the parameters `P` that the type may have used.
#[doc(hidden)]
#[derive(Debug)]
pub struct Refused<P = ()>(PhantomData<P>);

// SAFETY: by `SharedWith`.
#[cfg(not(doc))]
unsafe impl<T: ?Sized + 'static> ShmLayout for T
where
    SharedMemory: Knows<T>,
    T: SharedWith<<SharedMemory as Knows<T>>::Argument, <SharedMemory as Knows<T>>::Reason>,
{
    type View<A: Access> = T::SharedView<A>;
    const LAYOUT: &'static TypeLayout = T::SHARED_LAYOUT;
    #[inline(always)]
    fn view_at<A: Access>(payload: *const (), tail: usize) -> *const T::SharedView<A> {
        T::shared_view_at::<A>(payload, tail)
    }
}

/// A second implementation for references, which never holds either.
///
/// Where a function of a type is not found, the compiler looks for one of a reference to the type, and reports why that has none.
/// With two implementations that do not hold it reports nothing.
macro_rules! never_shared {
    ($($ty:ty),*) => {$(
        // SAFETY: the bound never holds, so this is never used.
        #[diagnostic::do_not_recommend]
        #[cfg(not(doc))]
        unsafe impl<T: ?Sized + 'static> ShmLayout for $ty
        where
            for<'a> SharedMemory: sealed::Nobody<'a>,
        {
            type View<A: Access> = Refused;
            const LAYOUT: &'static TypeLayout = &TypeLayout::refused();
            fn view_at<A: Access>(payload: *const (), _: usize) -> *const Refused {
                payload.cast()
            }
        }
    )*};
}

never_shared! { &'static T, &'static mut T }

// SAFETY: it never describes any bytes, since the derive emits it only next to an error.
#[diagnostic::do_not_recommend]
unsafe impl<P: 'static> ShmLayout for Refused<P> {
    type View<A: Access> = Refused;
    const LAYOUT: &'static TypeLayout = &TypeLayout::refused();
    fn view_at<A: Access>(payload: *const (), _: usize) -> *const Refused {
        payload.cast()
    }
}
