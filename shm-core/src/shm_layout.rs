//! [`ShmLayout`], the trait of all types that can be placed in shared memory.
//!
//! Its functions create segments and attach to them, so it depends on every other module, and every module that is generic over
//! shared types depends on it.

use std::os::fd::OwnedFd;

use crate::access::{Access, ReadOnly, ReadWrite};
use crate::diagnostics::{KnowsLengthOf, SharedMemory};
use crate::error::ShmError;
use crate::layout::{TypeLayout, assert_creatable, assert_has_tail, assert_shareable};
use crate::segment::{self, InitResult, Shm, ShmOptions};

/// A type that can be placed in shared memory.
///
/// Derive it on a `#[repr(C)]` struct, which may end in a slice, or on an enum without data that has a fixed-width integer as its
/// `repr`. It is implemented for fixed-width integers, floats, `bool`, `char`, `Wrapping`, `Option<NonZero..>`, `PhantomData` and
/// arrays of shareable types, the standard atomics, and this crate's types: [`ShmStr`], [`ShmVec`], [`ShmOffset`] and those of
/// [`sync`](crate::sync). Its functions create and find segments that hold one value of the type.
///
/// [The derive](derive@crate::ShmLayout) documents its attributes and what it generates.
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
/// Another process may write any bytes at any time, and may die at any instruction. This never makes a function hang, crash or
/// read outside the segment; a value that is read may be any value of its type.
///
/// # Safety
///
/// The derive implements this trait. Implementations must ensure that:
///
/// 1. `LAYOUT` describes every byte of the type: leaves at their offsets, no padding, and the type's size and
///    alignment. A type whose `LAYOUT` leaves bytes out (a sync type, a struct with `#[shm(padding)]`, or one that contains
///    such a type) is not `Copy`, so its bytes are never moved as a whole.
/// 2. `View<A>` has the type's size and alignment, holds only cells and atomics at the offsets where `LAYOUT` has leaves, and is
///    valid for any bytes.
/// 3. `view_at(p, tail)` returns `p`, with nothing but metadata added.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be placed in shared memory",
    label = "not a type that processes can share",
    note = "if `{Self}` is a struct of your own, give it `#[derive(ShmLayout)]` and `#[repr(C)]`; otherwise store its \
            parts as integers, floats, `bool`s or arrays"
)]
pub unsafe trait ShmLayout: 'static {
    /// What [`Shm`] and [`ShmCell`](crate::ShmCell) of this type deref to: for a struct, its fields as cells.
    type View<A: Access>: ?Sized;

    /// The type's layout as constant data.
    const LAYOUT: &'static TypeLayout;

    /// Size in bytes of the type itself.
    const SIZE: usize = Self::LAYOUT.size();

    /// Alignment in bytes of the type itself.
    const ALIGN: usize = Self::LAYOUT.align();

    /// Size in bytes of a segment that this program creates, with header, schema and the room for later fields: a multiple of
    /// 4096. The creator's version of a struct that has grown decides, so a segment that is attached to can have another
    /// [`mapped_len`](Shm::mapped_len).
    const PAGE_ROUNDED_SIZE: usize = segment::segment_len(Self::LAYOUT, 0);

    /// A hash of the layout: field names, offsets, kinds, nesting, version and byte order. Programs whose types have the same
    /// fingerprint can share segments; the names of the types do not matter. Fields with `#[shm(since = ..)]` are not part of
    /// it, so it stays the same when a struct grows.
    const FINGERPRINT: u64 = Self::LAYOUT.fingerprint();

    /// The newest level of the type: the highest `#[shm(since = ..)]` of its fields, or 0.
    const LEVEL: u32 = Self::LAYOUT.level();

    /// The view of the value at `payload`, which has `tail` elements in its trailing slice (0 without one).
    #[doc(hidden)]
    fn view_at<A: Access>(payload: *const (), tail: usize) -> *const Self::View<A>;

    /// Creates a segment of zero bytes under `name` and owns the name: dropping the handle removes it, unless
    /// [`persist`](Shm::persist) was called. Its mode is 0600.
    ///
    /// The name appears once the segment is complete. An orphaned segment, which a killed owner has left, is replaced. A persistent
    /// segment never is, and one to which other processes are attached only with [`supersede`](ShmOptions::supersede). If this
    /// process is killed, the name remains as such an orphaned segment.
    ///
    /// # Errors
    ///
    /// [`InvalidName`](ShmError::InvalidName), [`AlreadyExists`](ShmError::AlreadyExists), [`NoSpace`](ShmError::NoSpace) if the
    /// machine's shared memory is full, [`PermissionDenied`](ShmError::PermissionDenied), [`Busy`](ShmError::Busy), or
    /// [`Os`](ShmError::Os) for any other system call that fails.
    fn create(name: &str) -> Result<Shm<Self, ReadWrite>, ShmError>
    where
        SharedMemory: KnowsLengthOf<Self>,
    {
        const { assert_creatable(Self::LAYOUT, "create_with") };
        Self::options().create_zeroed(name)
    }

    /// Creates a segment whose first contents `init` writes before the name appears.
    ///
    /// No process sees the segment without these contents. `init` returns `()`, or a `Result` whose error reaches the caller
    /// ([`InitResult`]); after an error or a panic nothing remains.
    ///
    /// A type with an enum that has no variant of value 0 needs this function: [`create`](Self::create), whose segment is all
    /// zeros, does not compile for it. `init` must set all such enums.
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
    /// Those of [`create`](Self::create), that of `init`, and [`Uninitialized`](ShmError::Uninitialized) if `init` has left an
    /// enum without a value.
    fn create_with<F, R>(name: &str, init: F) -> Result<Shm<Self, ReadWrite>, R::Error>
    where
        SharedMemory: KnowsLengthOf<Self>,
        F: FnOnce(&Shm<Self, ReadWrite>) -> R,
        R: InitResult,
    {
        const { assert_shareable(Self::LAYOUT) };
        Self::options().create_tail(name, init)
    }

    /// Attaches to the segment `name`, or creates it. All callers get the same segment.
    ///
    /// Every handle that this returns is an owner, and the last of them to be dropped removes the name. A segment whose processes
    /// were all killed is opened as they left it.
    ///
    /// # Errors
    ///
    /// Those of [`create`](Self::create) and [`attach`](Self::attach), without `AlreadyExists` and `NotFound`.
    fn open_or_create(name: &str) -> Result<Shm<Self, ReadWrite>, ShmError>
    where
        SharedMemory: KnowsLengthOf<Self>,
    {
        const { assert_creatable(Self::LAYOUT, "options().open_or_create_with") };
        Self::options().open_or_create_tail(name, |_| {})
    }

    /// [`open_or_create`](Self::open_or_create), and runs `init` on a new segment before its name appears, as
    /// [`create_with`](Self::create_with) does.
    ///
    /// ```
    /// # use shm_core::ShmLayout;
    /// # #[derive(Clone, Copy, ShmLayout)] #[repr(C)] struct Config { limit: u64 }
    /// # fn main() -> Result<(), shm_core::ShmError> {
    /// # let name = format!("/doc-open-with-{}", std::process::id());
    /// let first = Config::open_or_create_with(&name, |view| view.limit.set(100))?;
    /// let second = Config::open_or_create_with(&name, |view| view.limit.set(7))?; // the closure does not run
    /// assert_eq!((first.limit.get(), second.limit.get()), (100, 100));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`open_or_create`](Self::open_or_create), that of `init`, and [`Uninitialized`](ShmError::Uninitialized) if
    /// `init` has left an enum without a value. `init` may run without effect if another process creates the segment at the same
    /// time.
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
    /// To wait for the name to appear, set [`ShmOptions::wait`].
    ///
    /// # Errors
    ///
    /// [`NotFound`](ShmError::NotFound), [`PermissionDenied`](ShmError::PermissionDenied),
    /// [`WrongOwner`](ShmError::WrongOwner) for another user's segment, [`NotASegment`](ShmError::NotASegment),
    /// [`UnsupportedFormat`](ShmError::UnsupportedFormat) and [`Corrupt`](ShmError::Corrupt) for other files,
    /// [`LayoutMismatch`](ShmError::LayoutMismatch) for a segment of another type, [`Busy`](ShmError::Busy), or
    /// [`Os`](ShmError::Os).
    fn attach(name: &str) -> Result<Shm<Self, ReadWrite>, ShmError> {
        const { assert_shareable(Self::LAYOUT) };
        Self::options().attach_as(name)
    }

    /// Attaches to the segment `name` for reading only: the pages are mapped `PROT_READ`, and the handle has no method that
    /// writes. Read permission suffices.
    ///
    /// # Errors
    ///
    /// Those of [`attach`](Self::attach).
    fn attach_read_only(name: &str) -> Result<Shm<Self, ReadOnly>, ShmError> {
        const { assert_shareable(Self::LAYOUT) };
        Self::options().attach_as(name)
    }

    /// Creates a segment without a name, sealed against shrinking and growing: for children of `fork`, or for processes that
    /// receive its descriptor ([`AsFd`](std::os::fd::AsFd), [`from_fd`](Self::from_fd)).
    ///
    /// # Errors
    ///
    /// [`NoSpace`](ShmError::NoSpace) or [`Os`](ShmError::Os).
    fn create_anonymous() -> Result<Shm<Self, ReadWrite>, ShmError>
    where
        SharedMemory: KnowsLengthOf<Self>,
    {
        const { assert_creatable(Self::LAYOUT, "options().create_anonymous_with") };
        Self::options().create_anonymous_zeroed()
    }

    /// [`create`](Self::create) for a type that ends in a slice, with `len` elements.
    ///
    /// The length is stored in the segment, so a process that attaches need not know it.
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
    /// Those of [`create`](Self::create); [`Os`](ShmError::Os) with `EFBIG` for a length that no machine has.
    fn create_with_len(name: &str, len: usize) -> Result<Shm<Self, ReadWrite>, ShmError> {
        const { assert_creatable(Self::LAYOUT, "options().len(n).create_with") };
        const { assert_has_tail(Self::LAYOUT) };
        Self::options().with_len(len).create_zeroed(name)
    }

    /// [`open_or_create`](Self::open_or_create) for a type that ends in a slice, with `len` elements. A live or persistent segment
    /// must have the same length; an orphaned segment of another length is replaced, as one of another layout is.
    ///
    /// # Errors
    ///
    /// Those of [`open_or_create`](Self::open_or_create); [`LayoutMismatch`](ShmError::LayoutMismatch) for another length.
    fn open_or_create_with_len(name: &str, len: usize) -> Result<Shm<Self, ReadWrite>, ShmError> {
        const { assert_creatable(Self::LAYOUT, "options().len(n).open_or_create_with") };
        const { assert_has_tail(Self::LAYOUT) };
        Self::options()
            .with_len(len)
            .open_or_create_tail(name, |_| {})
    }

    /// [`create_anonymous`](Self::create_anonymous) for a type that ends in a slice, with `len` elements.
    ///
    /// # Errors
    ///
    /// Those of [`create_anonymous`](Self::create_anonymous).
    fn create_anonymous_with_len(len: usize) -> Result<Shm<Self, ReadWrite>, ShmError> {
        const { assert_creatable(Self::LAYOUT, "options().len(n).create_anonymous_with") };
        const { assert_has_tail(Self::LAYOUT) };
        Self::options().with_len(len).create_anonymous_zeroed()
    }

    /// Attaches to the anonymous segment behind a descriptor that another process has passed.
    ///
    /// # Errors
    ///
    /// Those of [`attach`](Self::attach); also [`NotASegment`](ShmError::NotASegment) if the seals are missing, and
    /// [`PermissionDenied`](ShmError::PermissionDenied) if the descriptor does not allow writing: use
    /// [`ShmOptions::from_fd_read_only`] then.
    fn from_fd(fd: impl Into<OwnedFd>) -> Result<Shm<Self, ReadWrite>, ShmError> {
        const { assert_shareable(Self::LAYOUT) };
        Self::options().attach_fd(fd.into())
    }

    /// Removes `name`, whichever process created it. Attached processes keep their memory; the next
    /// [`create`](Self::create) makes a new segment.
    ///
    /// # Errors
    ///
    /// [`InvalidName`](ShmError::InvalidName), [`NotFound`](ShmError::NotFound),
    /// [`PermissionDenied`](ShmError::PermissionDenied), [`Busy`](ShmError::Busy), or [`Os`](ShmError::Os).
    fn unlink(name: &str) -> Result<(), ShmError> {
        segment::unlink(name)
    }

    /// Options for creating segments and attaching to them: mode, group, sparse pages, other users' segments, and more.
    fn options() -> ShmOptions<Self> {
        ShmOptions::new()
    }
}
