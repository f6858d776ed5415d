//! The trait behind everything: a type that can lie in shared memory.

use std::os::fd::OwnedFd;

use crate::access::{Access, ReadOnly, ReadWrite};
use crate::diagnostics::{KnowsLengthOf, SharedMemory};
use crate::error::ShmError;
use crate::layout::{TypeLayout, assert_creatable, assert_has_tail, assert_shareable};
use crate::segment::{self, InitResult, Shm, ShmOptions};

/// A type that can lie in shared memory.
///
/// Derive it on a `#[repr(C)]` struct, which may end in a slice, or on an enum without data that has a `repr` of a
/// fixed-width integer. It is implemented for fixed-width integers, floats, `bool`, `char`, `Wrapping`, `Option<NonZero..>`,
/// `PhantomData` and arrays of shareable types, the standard atomics, and this library's own types: [`ShmStr`],
/// [`ShmVec`], [`ShmOffset`] and those of [`sync`](crate::sync). Its methods make and find segments that hold one value
/// of the type.
///
/// What the derive does to a struct, and its attributes, is documented at
/// [the derive itself](derive@crate::ShmLayout).
///
/// [`ShmStr`]: crate::ShmStr
/// [`ShmVec`]: crate::ShmVec
/// [`ShmOffset`]: crate::ShmOffset
///
/// ```
/// use shm_core::ShmLayout;
///
/// #[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
/// #[repr(C)]
/// pub struct Telemetry {
///     pub frame: u64,
///     pub position: [f64; 3],
///     pub temperature: f32,
///     pub flags: u32,
/// }
///
/// # fn main() -> Result<(), shm_core::ShmError> {
/// # let name = format!("/doc-telemetry-{}", std::process::id());
/// let writer = Telemetry::create(&name)?; // removed when `writer` is dropped
/// writer.frame.set(7);
/// writer.position[0].set(2.5);
///
/// // Any other process:
/// let reader = Telemetry::attach_read_only(&name)?;
/// assert_eq!(reader.frame.get(), 7);
/// assert_eq!(reader.load().position, [2.5, 0.0, 0.0]);
/// # Ok(()) }
/// ```
///
/// # What a peer can do
///
/// Another process may write any bytes at any time, or die at any instruction. Nothing here hangs, crashes or
/// reads outside the segment because of that; what is read may be any value of its type.
///
/// # Safety
///
/// For implementors, which is to say for the derive:
///
/// 1. `LAYOUT` describes every byte of the type: leaves at their offsets, no padding, and the type's size and
///    alignment. Only between the parts of a type of this library may there be other bytes; such a type is not `Copy`,
///    so it is never moved as a whole.
/// 2. `View<A>` has the type's size and alignment, holds nothing but cells and atomics at the places where
///    `LAYOUT` has leaves, and is valid for any bytes.
/// 3. `view_at(p, tail)` returns `p` with no more than metadata added.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot lie in shared memory",
    label = "not a type that processes can share",
    note = "if `{Self}` is a struct of your own, give it `#[derive(ShmLayout)]` and `#[repr(C)]`; otherwise store its \
            parts as integers, floats, `bool`s or arrays"
)]
pub unsafe trait ShmLayout: 'static {
    /// What a [`Shm`] and a [`ShmCell`](crate::ShmCell) of this type deref to: for a struct, its fields as cells.
    type View<A: Access>: ?Sized;

    /// The type's layout as constant data.
    const LAYOUT: &'static TypeLayout;

    /// Size in bytes of the type itself.
    const SIZE: usize = Self::LAYOUT.size();

    /// Alignment in bytes of the type itself.
    const ALIGN: usize = Self::LAYOUT.align();

    /// Bytes that a segment of this type occupies, header and schema included: a multiple of 4096.
    const PAGE_ROUNDED_SIZE: usize = segment::segment_len(Self::LAYOUT, 0);

    /// A hash of the layout: field names, offsets, kinds, nesting, version and byte order. Two programs whose
    /// types have the same fingerprint understand each other's segments; the types' own names do not matter.
    const FINGERPRINT: u64 = Self::LAYOUT.fingerprint();

    /// The view of the value at `payload`, which has `tail` elements in its trailing slice (0 without one).
    #[doc(hidden)]
    fn view_at<A: Access>(payload: *const (), tail: usize) -> *const Self::View<A>;

    /// Creates a segment of zero bytes under `name` and owns the name: dropping the handle removes it, unless
    /// [`persist`](Shm::persist) was called. Its mode is 0600.
    ///
    /// The name appears only once the segment is complete. A leftover of an owner that was killed is replaced;
    /// a segment that was made persistent never is, and one that somebody is attached to only by who asks for it
    /// ([`supersede`](ShmOptions::supersede)). If this process is killed, the name stays as such a leftover.
    ///
    /// # Errors
    ///
    /// [`InvalidName`](ShmError::InvalidName), [`AlreadyExists`](ShmError::AlreadyExists),
    /// [`NoSpace`](ShmError::NoSpace) when the machine's shared memory is full,
    /// [`PermissionDenied`](ShmError::PermissionDenied), [`Busy`](ShmError::Busy), or [`Os`](ShmError::Os) for
    /// any other failing system call.
    fn create(name: &str) -> Result<Shm<Self, ReadWrite>, ShmError>
    where
        SharedMemory: KnowsLengthOf<Self>,
    {
        const { assert_creatable(Self::LAYOUT, "create_with") };
        Self::options().create_tail(name, |_| {})
    }

    /// [`create`](Self::create)s a segment whose first content `init` writes, before the name exists.
    ///
    /// Nobody ever sees the segment without that content. If `init` panics, nothing is left behind.
    ///
    /// It is also the way for a type with an enum that has no variant of value 0: [`create`](Self::create), whose segment
    /// is zeroes, refuses such a type at compile time. `init` then has to set all of these enums.
    ///
    /// ```
    /// # use shm_core::ShmLayout;
    /// # #[derive(Clone, Copy, ShmLayout)] #[repr(C)] struct Config { limit: u64 }
    /// # fn main() -> Result<(), shm_core::ShmError> {
    /// # let name = format!("/doc-create-with-{}", std::process::id());
    /// let shm = Config::create_with(&name, |view| view.limit.set(100))?;
    /// assert_eq!(shm.limit.get(), 100);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create); [`Uninitialized`](ShmError::Uninitialized) when `init` has left an enum without a value.
    fn create_with<F, R>(name: &str, init: F) -> Result<Shm<Self, ReadWrite>, R::Error>
    where
        SharedMemory: KnowsLengthOf<Self>,
        F: FnOnce(&Shm<Self, ReadWrite>) -> R,
        R: InitResult,
    {
        const { assert_shareable(Self::LAYOUT) };
        Self::options().create_tail(name, init)
    }

    /// Attaches to the segment `name`, or creates it where there is none: all callers end up on the same one.
    ///
    /// Every handle made this way is an owner, and the last of them to be dropped removes the name. A segment
    /// whose processes were all killed is opened as they left it.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create) and [`attach`](Self::attach), without `AlreadyExists` and `NotFound`.
    fn open_or_create(name: &str) -> Result<Shm<Self, ReadWrite>, ShmError>
    where
        SharedMemory: KnowsLengthOf<Self>,
    {
        const { assert_creatable(Self::LAYOUT, "options().open_or_create_with") };
        Self::options().open_or_create_tail(name, |_| {})
    }

    /// [`open_or_create`](Self::open_or_create), and runs `init` on a new segment before its name appears.
    ///
    /// It is also the way for a type with an enum that has no variant of value 0.
    ///
    /// ```
    /// # use shm_core::ShmLayout;
    /// # #[derive(Clone, Copy, ShmLayout)] #[repr(C)] struct Config { limit: u64 }
    /// # fn main() -> Result<(), shm_core::ShmError> {
    /// # let name = format!("/doc-open-with-{}", std::process::id());
    /// let first = Config::open_or_create_with(&name, |view| view.limit.set(100))?;
    /// let second = Config::open_or_create_with(&name, |view| view.limit.set(7))?; // which is not called
    /// assert_eq!((first.limit.get(), second.limit.get()), (100, 100));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`open_or_create`](Self::open_or_create); [`Uninitialized`](ShmError::Uninitialized) when `init` has left an enum
    /// without a value. `init` may run without effect, when another process creates the segment at the same time.
    fn open_or_create_with<F, R>(name: &str, init: F) -> Result<Shm<Self, ReadWrite>, R::Error>
    where
        SharedMemory: KnowsLengthOf<Self>,
        F: FnOnce(&Shm<Self, ReadWrite>) -> R,
        R: InitResult,
    {
        const { assert_shareable(Self::LAYOUT) };
        Self::options().open_or_create_tail(name, init)
    }

    /// Attaches to the segment `name` for reading and writing. Dropping the handle leaves the name alone.
    ///
    /// A name that does not exist yet is waited for by who asks for it ([`wait`](ShmOptions::wait)).
    ///
    /// # Errors
    ///
    /// [`NotFound`](ShmError::NotFound), [`PermissionDenied`](ShmError::PermissionDenied),
    /// [`WrongOwner`](ShmError::WrongOwner) for another user's segment,
    /// [`NotASegment`](ShmError::NotASegment), [`UnsupportedFormat`](ShmError::UnsupportedFormat) and
    /// [`Corrupt`](ShmError::Corrupt) for files that are no sound segment,
    /// [`LayoutMismatch`](ShmError::LayoutMismatch) for a segment of another type,
    /// [`Busy`](ShmError::Busy), or [`Os`](ShmError::Os).
    fn attach(name: &str) -> Result<Shm<Self, ReadWrite>, ShmError> {
        const { assert_shareable(Self::LAYOUT) };
        Self::options().attach_as(name)
    }

    /// Attaches to the segment `name` for reading only: the pages are mapped `PROT_READ`, and the handle has
    /// nothing that writes. The file need only be readable.
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    fn attach_read_only(name: &str) -> Result<Shm<Self, ReadOnly>, ShmError> {
        const { assert_shareable(Self::LAYOUT) };
        Self::options().attach_as(name)
    }

    /// Creates a segment without a name, sealed against shrinking and growing: for children of `fork`, or for
    /// processes that are handed its descriptor ([`AsFd`](std::os::fd::AsFd), [`from_fd`](Self::from_fd)).
    ///
    /// # Errors
    ///
    /// [`NoSpace`](ShmError::NoSpace) or [`Os`](ShmError::Os).
    fn create_anonymous() -> Result<Shm<Self, ReadWrite>, ShmError>
    where
        SharedMemory: KnowsLengthOf<Self>,
    {
        const { assert_creatable(Self::LAYOUT, "options().create_anonymous_with") };
        Self::options().create_anonymous_tail(|_| {})
    }

    /// [`create`](Self::create)s a segment of a type that ends in a slice, with `len` elements in it.
    ///
    /// The length is part of the segment: whoever attaches finds it.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    ///
    /// #[derive(ShmLayout)]
    /// #[repr(C)]
    /// struct Image { width: u32, height: u32, pixels: [u8] }
    ///
    /// # fn main() -> Result<(), shm_core::ShmError> {
    /// # let name = format!("/doc-image-{}", std::process::id());
    /// let shm = Image::create_with_len(&name, 640 * 480)?;
    /// shm.pixels[5].set(255);
    ///
    /// let other = Image::attach_read_only(&name)?;
    /// assert_eq!(other.pixels.len(), 640 * 480);
    /// assert_eq!(other.pixels[5].get(), 255);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create); [`Os`](ShmError::Os) with `EFBIG` for a length that no machine has.
    fn create_with_len(name: &str, len: usize) -> Result<Shm<Self, ReadWrite>, ShmError> {
        const { assert_creatable(Self::LAYOUT, "options().len(n).create_with") };
        const { assert_has_tail(Self::LAYOUT) };
        Self::options().with_len(len).create_tail(name, |_| {})
    }

    /// [`open_or_create`](Self::open_or_create) for a type that ends in a slice. A segment that is live or persistent must
    /// have `len` elements in it, too; a leftover of another length is replaced, as one of another layout is.
    ///
    /// # Errors
    ///
    /// As [`open_or_create`](Self::open_or_create); [`LayoutMismatch`](ShmError::LayoutMismatch) for another length.
    fn open_or_create_with_len(name: &str, len: usize) -> Result<Shm<Self, ReadWrite>, ShmError> {
        const { assert_creatable(Self::LAYOUT, "options().len(n).open_or_create_with") };
        const { assert_has_tail(Self::LAYOUT) };
        Self::options()
            .with_len(len)
            .open_or_create_tail(name, |_| {})
    }

    /// [`create_anonymous`](Self::create_anonymous) for a type that ends in a slice, with `len` elements in it.
    ///
    /// # Errors
    ///
    /// As [`create_anonymous`](Self::create_anonymous).
    fn create_anonymous_with_len(len: usize) -> Result<Shm<Self, ReadWrite>, ShmError> {
        const { assert_creatable(Self::LAYOUT, "options().len(n).create_anonymous_with") };
        const { assert_has_tail(Self::LAYOUT) };
        Self::options().with_len(len).create_anonymous_tail(|_| {})
    }

    /// Attaches to the anonymous segment behind a descriptor that another process has passed on.
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach); [`NotASegment`](ShmError::NotASegment) also when the seals are missing,
    /// [`PermissionDenied`](ShmError::PermissionDenied) also for a descriptor that allows no writing, which
    /// [`ShmOptions::from_fd_read_only`] takes.
    fn from_fd(fd: impl Into<OwnedFd>) -> Result<Shm<Self, ReadWrite>, ShmError> {
        const { assert_shareable(Self::LAYOUT) };
        Self::options().attach_fd(fd.into())
    }

    /// Removes `name`, whoever made it. Processes that are attached keep their memory; the next
    /// [`create`](Self::create) makes a new segment.
    ///
    /// # Errors
    ///
    /// [`InvalidName`](ShmError::InvalidName), [`NotFound`](ShmError::NotFound),
    /// [`PermissionDenied`](ShmError::PermissionDenied), [`Busy`](ShmError::Busy), or [`Os`](ShmError::Os).
    fn unlink(name: &str) -> Result<(), ShmError> {
        segment::unlink(name)
    }

    /// Ways to make and find a segment that differ from the defaults: mode, group, sparseness, other users'
    /// segments, and more.
    fn options() -> ShmOptions<Self> {
        ShmOptions::new()
    }
}
