//! Why some types cannot be shared: the traits that the compiler names when it refuses one.
//!
//! [`SharedMemory`] knows the types of the standard library that it cannot hold, and for each the reason. One
//! implementation of [`ShmLayout`] covers them all, under a bound that never holds: [`SharedMemory`] has none of the
//! `Holds` traits here. Each stands for a reason, and carries the explanation and the remedy that the compiler prints
//! wherever the type turns up, also behind an alias or an associated type.
//!
//! Nothing here is for use in programs, and none of it can be implemented outside of this crate: who could
//! implement such a trait could pass a pointer off as plain data.

// Three things keep the compiler's messages short. The one implementation is for a type parameter, so that it is not
// listed among the types that implement `ShmLayout`. All others are marked `do_not_recommend`. And the bounds that fail
// are on another type (`SharedMemory`), or else their texts would give way to that of `ShmLayout`.
//
// A generic type that is refused because of an argument (`ShmVec<String, 4>`) has two implementations that both fail, and
// the compiler looks into neither, but lists what the trait is implemented for. So the derive, which sees the argument,
// asks whether it is `..PartOf` the type: that holds exactly if the type can be shared, and the text for the case that it
// cannot speaks of the argument. As nothing further is told then, the derive does not ask where the type itself is known.
// Behind a name (`type Names = ShmVec<String, 4>`) there is no argument to see. There `refused_as_a_whole` leaves the
// compiler at `Field`, which has a text and nothing to list.

use crate::access::Access;
use crate::layout::TypeLayout;
use crate::shm_layout::ShmLayout;

/// Declares a trait `P<W>` of the types among the arguments of `W`: it holds for each of them exactly if `W` can be shared.
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
    /// Implemented by nothing, so that its subtraits cannot be either.
    pub trait Never<T: ?Sized> {}
    /// Implemented by nothing.
    pub trait Nowhere<'a> {}
    /// Implemented by the reasons.
    pub trait Reason {}
    /// The type of a constant that nobody else can write, for want of its name.
    #[derive(Debug)]
    pub struct Seal;
}

/// What can hold a type that processes share.
#[derive(Debug)]
pub enum SharedMemory {}

/// Implemented by [`SharedMemory`] for the types `T` that it knows and cannot hold.
#[diagnostic::on_unimplemented(
    message = "`{T}` cannot lie in shared memory",
    label = "not a type that processes can share",
    note = "give a struct of your own `#[derive(ShmLayout)]` and `#[repr(C)]`, an enum without data the derive and \
            `#[repr(u8)]`; of any other type store the parts as integers, floats, `bool`s or arrays"
)]
pub trait Knows<T: ?Sized> {
    /// The reason: one of the types of this module.
    type Because;

    // A type of the user's own among the parameters is all that it takes to implement a foreign trait for a foreign type.
    #[doc(hidden)]
    const SEAL: sealed::Seal;
}

/// A type that can be a field of a shared struct: the same as [`ShmLayout`].
///
/// The derive asks for it because the compiler has nothing to list as its implementations. Nobody else can implement
/// it: that takes no `unsafe`, and the derive believes the layout it tells.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot lie in shared memory, because of a type that it is made of",
    label = "made of a type that processes cannot share",
    note = "look at the arguments behind the name: each has to be one that could be a field by itself, and the value of a \
            `SeqLock` or a `Broadcast` has to be `Copy` as well"
)]
pub trait Field {
    /// [`ShmLayout::LAYOUT`].
    const LAYOUT: &'static TypeLayout;

    // Not a private supertrait, which every message about a field would speak of.
    #[doc(hidden)]
    const SEAL: sealed::Seal;
}

impl<T: ShmLayout + ?Sized> Field for T {
    const LAYOUT: &'static TypeLayout = T::LAYOUT;
    const SEAL: sealed::Seal = sealed::Seal;
}

/// For a generic type of this crate, which is refused because of an argument: the compiler says so in the words of [`Field`].
///
/// A second implementation, which never holds. With one alone the compiler goes on to [`ShmLayout`], of which it says
/// nothing but for which types it is implemented: all that have the derive.
macro_rules! refused_as_a_whole {
    ([$($param:tt)*] $ty:ty) => {
        #[diagnostic::do_not_recommend]
        impl<$($param)*> $crate::diagnostics::Field for $ty
        where
            for<'a> $crate::diagnostics::SharedMemory: $crate::diagnostics::sealed::Nowhere<'a>,
        {
            const LAYOUT: &'static $crate::layout::TypeLayout = &$crate::layout::TypeLayout::refused();
            const SEAL: $crate::diagnostics::sealed::Seal = $crate::diagnostics::sealed::Seal;
        }
    };
}
pub(crate) use refused_as_a_whole;

part_of! {
    /// A type among the arguments of `W`, which can be a field. Should it be refused, then because of this argument.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` in `{W}` cannot lie in shared memory",
        label = "not a type that processes can share",
        note = "give a struct of your own `#[derive(ShmLayout)]` and `#[repr(C)]`, an enum without data the derive and \
                `#[repr(u8)]`; of any other type store the parts as integers, floats, `bool`s or arrays; a struct that \
                ends in a slice can only be a segment"
    )]
    pub trait PartOf<W>;
}

/// As [`Field`], for a generic type where names alone leave open whether it or an argument is to be blamed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot lie in shared memory, because of itself or a type among its arguments",
    label = "one of these is not a type that processes can share",
    note = "each argument has to be one that could be a field by itself: give structs of your own `#[derive(ShmLayout)]` \
            and `#[repr(C)]`, enums without data the derive and `#[repr(u8)]`; the value of a `SeqLock` or a `Broadcast` has \
            to be `Copy` as well: `#[derive(Clone, Copy)]`"
)]
pub trait SharedParts {
    /// [`ShmLayout::LAYOUT`].
    const LAYOUT: &'static TypeLayout;

    #[doc(hidden)]
    const SEAL: sealed::Seal;
}

#[diagnostic::do_not_recommend]
impl<S: ShmLayout + ?Sized> SharedParts for S {
    const LAYOUT: &'static TypeLayout = S::LAYOUT;
    const SEAL: sealed::Seal = sealed::Seal;
}

part_of! {
    /// As [`PartOf`], for a `W` called `Mutex`: the name leaves open whether it is the one that works between processes.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` in `{W}` cannot lie in shared memory, or the lock itself cannot",
        label = "not a type that processes can share",
        note = "give a struct of your own `#[derive(ShmLayout)]` and `#[repr(C)]`, an enum without data the derive and \
                `#[repr(u8)]`; of any other type store the parts as integers, floats, `bool`s or arrays; a struct that \
                ends in a slice can only be a segment; the lock has to be a `shm_core::sync::Mutex`, since one of the \
                standard library works only inside one process"
    )]
    pub trait LockedPartOf<W>;
}

part_of! {
    /// As [`PartOf`], for a `W` called `SeqLock` or `Broadcast`, and a type that is the value or among its parts.
    #[diagnostic::on_unimplemented(
        message = "`{W}` copies its value as a whole, so `{Self}` has to be `Copy`, and a type that processes can share",
        label = "lacks `Copy`, or the derive",
        note = "give a struct of your own `#[derive(Clone, Copy, ShmLayout)]` and `#[repr(C)]`; one that cannot be `Copy`, such \
                as one with a `ShmVec` in it, goes into a `Mutex`"
    )]
    pub trait WholePartOf<W>;
}

part_of! {
    /// As [`WholePartOf`], for a value that is known to be shareable, so that nothing but `Copy` can be missing.
    #[diagnostic::on_unimplemented(
        message = "`{W}` copies its value as a whole, but `{Self}` is not `Copy`",
        label = "cannot be copied as a whole",
        note = "of an atomic write the plain number, such as `u64`; what is changed in place goes into a `Mutex`, or as a message \
                into a `Ring`; where the value is a type parameter, write `T: Copy`"
    )]
    pub trait CopiedPartOf<W>;
}

/// Implemented by [`SharedMemory`] for each type `T` of one size, as a field must be that is not spelled as a slice.
///
/// The derive asks for it where a slice could hide behind a name: the last field. A slice at the end is spelled out in the
/// struct that is the segment, as `tail: [u8]`; elsewhere write an array, or a [`ShmVec`](crate::ShmVec).
#[diagnostic::on_unimplemented(
    message = "`{T}` has no fixed size, so it cannot be a field",
    label = "ends in a slice of its own, or is a trait object",
    note = "what ends in a slice can only be a segment: write its fields here, or an array in place of the slice; of a \
            trait object store a concrete type"
)]
pub trait Measures<T: ?Sized> {
    /// What a cell is made for: the type, or a stand-in for one that is refused in any case.
    type Itself;

    /// The type, of which [`Field`] is asked.
    type Asked: ?Sized;
}

#[diagnostic::do_not_recommend]
impl<T> Measures<T> for SharedMemory {
    type Itself = T;
    type Asked = T;
}

// Never holds. Were there one implementation alone for a type, the compiler would say in its own words what it wants. And as
// this one is for all types, no other crate can add any.
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

// Of these the reason is known, and told where the layout is asked for.
without_size! { [T] [T], [] str, [] std::ffi::CStr, [] std::ffi::OsStr, [] std::path::Path }

/// Implemented by [`SharedMemory`] for each type `T` of one size, so that a segment of it is created without a length.
///
/// That is every type but those that end in a slice. It stands in place of `T: Sized`, of which the compiler would only say
/// that it does not hold.
#[diagnostic::on_unimplemented(
    message = "`{T}` ends in a slice, so a segment of it is created with a length",
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

// Never holds: see that of `Measures`.
#[diagnostic::do_not_recommend]
impl<T: ?Sized> KnowsLengthOf<T> for SharedMemory
where
    for<'a> Self: sealed::Nowhere<'a>,
{
    const SEAL: sealed::Seal = sealed::Seal;
}

/// Never implemented, for the guards `G` of locks: they are not `Send`, and the compiler names this trait when it says so.
#[diagnostic::on_unimplemented(
    message = "`{G}` stays with the thread that it was made in",
    label = "cannot be sent to another thread",
    note = "make the guard in the thread that uses it: the lock itself can be used in all of them"
)]
pub trait LetsGoOf<G>: sealed::Never<G> {}

/// Implemented by each `Copy` type, and by the derive for each generic struct with `#[shm(padding)]`: a struct cannot be both.
///
/// Whether other structs with `#[shm(padding)]` are `Copy` is checked in a constant, which has a text of its own.
pub trait CopyOrPadding {}

#[diagnostic::do_not_recommend]
impl<T: Copy> CopyOrPadding for T {}

/// A reason that allows the type `T` to be shared all the same. None does.
pub trait Allows<T: ?Sized>: sealed::Reason {
    #[doc(hidden)]
    const SEAL: sealed::Seal;
}

/// The view of a type that cannot be shared: a cell of it has no methods. It names the parameters `P` that the type may have
/// used.
#[doc(hidden)]
#[derive(Debug)]
pub struct Refused<P = ()>(std::marker::PhantomData<P>);

// SAFETY: the bound never holds, so this is never used.
unsafe impl<T: ?Sized + 'static> ShmLayout for T
where
    SharedMemory: Knows<T>,
    <SharedMemory as Knows<T>>::Because: Allows<T>,
{
    type View<A: Access> = Refused;
    const LAYOUT: &'static TypeLayout = &TypeLayout::refused();
    fn view_at<A: Access>(payload: *const (), _: usize) -> *const Refused {
        payload.cast()
    }
}

// SAFETY: no bytes are ever described by it; the derive puts it only where it has reported an error.
#[diagnostic::do_not_recommend]
unsafe impl<P: 'static> ShmLayout for Refused<P> {
    type View<A: Access> = Refused;
    const LAYOUT: &'static TypeLayout = &TypeLayout::refused();
    fn view_at<A: Access>(payload: *const (), _: usize) -> *const Refused {
        payload.cast()
    }
}
