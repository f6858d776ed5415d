//! Creating segments and attaching to them: the methods that options end in.

use std::fs::File;
use std::os::fd::OwnedFd;

use super::Segment;
use super::appearance::Appearance;
use super::attach::{self, AttachMode, Wanted};
use super::create;
use super::handle::Shm;
use super::open_or_create::OpenOrCreate;
use super::options::{Settings, ShmOptions};
use crate::access::{Access, ReadOnly};
use crate::diagnostics::{KnowsLengthOf, SharedMemory};
use crate::error::{ANONYMOUS, Existing, InvalidValue, ShmError, UNNAMED};
use crate::layout::{TypeLayout, assert_creatable, assert_shareable};
use crate::name::SegmentName;
use crate::shm_layout::ShmLayout;
use crate::sys::clock::Backoff;

// Each method checks the type at compile time: only there is the instance of a generic type known. The functions that they
// share do not check again, so a mistake is reported once, at the user's own call.
impl<T: ShmLayout + ?Sized, const LEN: bool> ShmOptions<T, LEN> {
    /// Creates a segment of zero bytes and owns its name: dropping the handle removes it.
    ///
    /// The name appears once the segment is complete. An orphaned segment, which a killed process has left, is replaced; for one
    /// that other processes are still attached to see [`supersede`](Self::supersede). If this process is killed before the
    /// name appears, nothing remains; if later, an orphaned segment.
    ///
    /// # Errors
    ///
    /// [`InvalidName`](ShmError::InvalidName); [`AlreadyExists`](ShmError::AlreadyExists) if a live segment, after
    /// [`wait`](Self::wait) if that is set, a persistent one, or something else has the name; [`NoSpace`](ShmError::NoSpace); [`PermissionDenied`](ShmError::PermissionDenied);
    /// [`Busy`](ShmError::Busy) if other processes keep locking or replacing it for the whole timeout; [`Os`](ShmError::Os), with
    /// `EFBIG` for a length that no machine has.
    pub fn create(&self, name: &str) -> Result<Shm<T>, ShmError>
    where
        SharedMemory: KnowsLengthOf<T, LEN>,
    {
        const { assert_creatable(T::LAYOUT, "create_with") };
        self.create_zeroed(name)
    }

    /// Creates a segment whose first contents `init` writes before the name appears.
    ///
    /// No process sees the segment without these contents. `init` returns `()`, or a `Result` whose error reaches the caller;
    /// after an error or a panic nothing remains. `init` may have run although the name was taken in the end.
    ///
    /// # Errors
    ///
    /// Those of [`create`](Self::create), that of `init`, and [`Uninitialized`](ShmError::Uninitialized) if `init` has left
    /// an enum without a value.
    pub fn create_with<R: InitResult>(
        &self,
        name: &str,
        init: impl FnOnce(&Shm<T>) -> R,
    ) -> Result<Shm<T>, R::Error>
    where
        SharedMemory: KnowsLengthOf<T, LEN>,
    {
        const { assert_shareable(T::LAYOUT) };
        self.create_tail(name, init)
    }

    /// Attaches to the segment with this name, or creates it. All handles that this returns are owners, and the last one to be
    /// dropped removes the name, so equal peers may start and end in any order.
    ///
    /// It also attaches to an orphaned segment, whose contents are complete but may be old. An orphaned segment of another
    /// layout or length, such as a crash before an upgrade leaves, is replaced. If the last owner runs as another user than the
    /// segment's, the system does not let it remove the name, and an orphaned segment remains.
    ///
    /// With [`supersede`](Self::supersede), a segment of another layout or length that has lost its owner is replaced as well,
    /// even if other processes are still attached: in one call, a program goes on with what it can use and takes the name
    /// otherwise. A killed owner counts as alive until the kernel has torn it down, so set [`wait`](Self::wait) too.
    ///
    /// # Errors
    ///
    /// Those of [`create`](Self::create) and [`attach`](Self::attach), without `AlreadyExists` and `NotFound`. A live segment, after
    /// [`wait`](Self::wait) if that is set, or a persistent one of another length than [`len`](Self::len) is a
    /// [`LayoutMismatch`](ShmError::LayoutMismatch).
    pub fn open_or_create(&self, name: &str) -> Result<Shm<T>, ShmError>
    where
        SharedMemory: KnowsLengthOf<T, LEN>,
    {
        const { assert_creatable(T::LAYOUT, "options().open_or_create_with") };
        self.open_or_create_tail(name, |_| {})
    }

    /// [`open_or_create`](Self::open_or_create), and runs `init` on a new segment before its name appears, as
    /// [`create_with`](Self::create_with) does.
    ///
    /// # Errors
    ///
    /// Those of [`open_or_create`](Self::open_or_create), that of `init`, and [`Uninitialized`](ShmError::Uninitialized) if
    /// `init` has left an enum without a value. `init` may run without effect if another process creates the segment at the
    /// same time.
    pub fn open_or_create_with<R: InitResult>(
        &self,
        name: &str,
        init: impl FnOnce(&Shm<T>) -> R,
    ) -> Result<Shm<T>, R::Error>
    where
        SharedMemory: KnowsLengthOf<T, LEN>,
    {
        const { assert_shareable(T::LAYOUT) };
        self.open_or_create_tail(name, init)
    }

    /// Attaches to the segment with this name for reading and writing. Dropping the handle leaves the name alone.
    ///
    /// An orphaned segment is not replaced while this handle lives. The handle stays usable after the owner has ended and the
    /// name is gone.
    ///
    /// # Errors
    ///
    /// [`InvalidName`](ShmError::InvalidName); [`NotFound`](ShmError::NotFound), after [`wait`](Self::wait) if that is set;
    /// [`PermissionDenied`](ShmError::PermissionDenied); [`WrongOwner`](ShmError::WrongOwner) for another user's segment;
    /// [`NotASegment`](ShmError::NotASegment), [`UnsupportedFormat`](ShmError::UnsupportedFormat) and
    /// [`Corrupt`](ShmError::Corrupt) for other files; [`LayoutMismatch`](ShmError::LayoutMismatch) for another type, or other
    /// fields of this one; [`Busy`](ShmError::Busy) if other processes keep replacing, removing or locking it for the whole timeout;
    /// [`Os`](ShmError::Os).
    pub fn attach(&self, name: &str) -> Result<Shm<T>, ShmError> {
        const { assert_shareable(T::LAYOUT) };
        self.attach_as(name)
    }

    /// Attaches for reading only: the pages cannot be written, and the handle has no method that writes. Read permission
    /// suffices.
    ///
    /// # Errors
    ///
    /// Those of [`attach`](Self::attach).
    pub fn attach_read_only(&self, name: &str) -> Result<Shm<T, ReadOnly>, ShmError> {
        const { assert_shareable(T::LAYOUT) };
        self.attach_as(name)
    }

    /// Creates a segment without a name: a memfd that no process can shrink or grow. Share it by `fork`, or pass its
    /// descriptor to another process, which calls [`from_fd`](Self::from_fd). It goes with the last process that has it.
    ///
    /// # Errors
    ///
    /// [`NoSpace`](ShmError::NoSpace); [`Os`](ShmError::Os), with `EFBIG` for a length that no machine has.
    pub fn create_anonymous(&self) -> Result<Shm<T>, ShmError>
    where
        SharedMemory: KnowsLengthOf<T, LEN>,
    {
        const { assert_creatable(T::LAYOUT, "options().create_anonymous_with") };
        self.create_anonymous_zeroed()
    }

    /// [`create_anonymous`](Self::create_anonymous), and runs `init` on the new segment, as
    /// [`create_with`](Self::create_with) does.
    ///
    /// # Errors
    ///
    /// Those of [`create_anonymous`](Self::create_anonymous), that of `init`, and [`Uninitialized`](ShmError::Uninitialized) if
    /// `init` has left an enum without a value.
    pub fn create_anonymous_with<R: InitResult>(
        &self,
        init: impl FnOnce(&Shm<T>) -> R,
    ) -> Result<Shm<T>, R::Error>
    where
        SharedMemory: KnowsLengthOf<T, LEN>,
    {
        const { assert_shareable(T::LAYOUT) };
        self.create_anonymous_tail(init)
    }

    /// Attaches to the anonymous segment behind a descriptor, for reading and writing.
    ///
    /// The descriptor becomes close-on-exec and goes with the handle. A descriptor in the place of a standard stream (0, 1 or 2)
    /// is duplicated to a higher number and closed, so that nothing is printed into the segment.
    ///
    /// The sender of the descriptor is trusted with the contents, as any peer is, but not with the size, which must be sealed.
    /// The user that owns the file is not checked.
    ///
    /// # Errors
    ///
    /// [`NotASegment`](ShmError::NotASegment) if the size is not sealed; [`PermissionDenied`](ShmError::PermissionDenied)
    /// if the descriptor does not allow writing; and those of [`attach`](Self::attach).
    pub fn from_fd(&self, fd: impl Into<OwnedFd>) -> Result<Shm<T>, ShmError> {
        const { assert_shareable(T::LAYOUT) };
        self.attach_fd(fd.into())
    }

    /// [`from_fd`](Self::from_fd) for reading only.
    ///
    /// # Errors
    ///
    /// Those of [`from_fd`](Self::from_fd).
    pub fn from_fd_read_only(&self, fd: impl Into<OwnedFd>) -> Result<Shm<T, ReadOnly>, ShmError> {
        const { assert_shareable(T::LAYOUT) };
        self.attach_fd(fd.into())
    }

    pub(crate) fn create_zeroed(&self, name: &str) -> Result<Shm<T>, ShmError> {
        let segment = create_named(&self.settings, name, T::LAYOUT, self.len, None)?;
        Ok(Shm::new(segment))
    }

    pub(crate) fn create_tail<R: InitResult>(
        &self,
        name: &str,
        init: impl FnOnce(&Shm<T>) -> R,
    ) -> Result<Shm<T>, R::Error> {
        let mut init = Some(|shm: &Shm<T>| init(shm).into_result());
        let mut failed = None;
        let mut write = |segment| match initialize(segment, &mut init) {
            Ok(shm) => Some(shm.into_segment()),
            Err(failure) => {
                failed = Some(failure);
                None
            }
        };
        let created = create_named(&self.settings, name, T::LAYOUT, self.len, Some(&mut write));
        match created {
            Ok(segment) => Ok(Shm::new(segment)),
            Err(error) => Err(failed.unwrap_or(Failure::Segment(error)).named(name)),
        }
    }

    pub(crate) fn open_or_create_tail<R: InitResult>(
        &self,
        name: &str,
        init: impl FnOnce(&Shm<T>) -> R,
    ) -> Result<Shm<T>, R::Error> {
        let checked = SegmentName::new(name)?;
        let init = |shm: &Shm<T>| init(shm).into_result();
        OpenOrCreate::new(&self.settings, &checked, self.len, init)
            .run()
            .map_err(|failure| failure.named(name))
    }

    pub(crate) fn create_anonymous_tail<R: InitResult>(
        &self,
        init: impl FnOnce(&Shm<T>) -> R,
    ) -> Result<Shm<T>, R::Error> {
        let create = || {
            let segment = create::anonymous(&self.settings, T::LAYOUT, self.len)?;
            let mut init = Some(|shm: &Shm<T>| init(shm).into_result());
            initialize(Box::new(segment), &mut init)
        };
        create().map_err(|failure: Failure<R::Error>| failure.named(ANONYMOUS))
    }

    pub(crate) fn create_anonymous_zeroed(&self) -> Result<Shm<T>, ShmError> {
        let segment = create_unnamed(&self.settings, T::LAYOUT, self.len)?;
        Ok(Shm::new(segment))
    }

    fn attach_mode<A: Access>(&self) -> AttachMode {
        AttachMode {
            writable: A::WRITABLE,
            owner: false,
            len: LEN.then_some(self.len),
        }
    }

    pub(crate) fn attach_as<A: Access>(&self, name: &str) -> Result<Shm<T, A>, ShmError> {
        let mode = self.attach_mode::<A>();
        let segment = attach_named(&self.settings, name, T::LAYOUT, mode)?;
        Ok(Shm::new(segment))
    }

    pub(crate) fn attach_fd<A: Access>(&self, fd: OwnedFd) -> Result<Shm<T, A>, ShmError> {
        let mode = self.attach_mode::<A>();
        let segment = attach_descriptor(&self.settings, fd, T::LAYOUT, mode)?;
        Ok(Shm::new(segment))
    }
}

// The functions above are compiled for every type; these are not, and so do nearly all of the work.

/// A handle keeps its segment in a box.
fn boxed(made: Result<Segment, ShmError>) -> Result<Box<Segment>, ShmError> {
    made.map(Box::new)
}

/// Creates a segment. `init` writes its first contents, if they are not zeros; if it returns `None`, its caller has the error, and
/// that of this function means nothing.
fn create_named(
    settings: &Settings,
    name: &str,
    layout: &'static TypeLayout,
    len: usize,
    init: Option<&mut dyn FnMut(Box<Segment>) -> Option<Box<Segment>>>,
) -> Result<Box<Segment>, ShmError> {
    let create = || {
        let mut creation = Creation::new(settings, name, layout, len, init.is_some())?;
        let mut segment = creation.segment()?;
        if let Some(init) = init {
            segment = init(segment).ok_or_else(ShmError::not_found)?;
        }
        creation.publish(&segment)?;
        Ok(segment)
    };
    create().map_err(|error: ShmError| error.named(name))
}

/// A segment on its way to its name.
pub(super) struct Creation<'a> {
    settings: &'a Settings,
    name: SegmentName,
    layout: &'static TypeLayout,
    len: usize,
    pauses: Backoff,
    /// Whether no code of the program's has had the handle.
    untouched: bool,
}

impl<'a> Creation<'a> {
    /// `has_init` says whether code of the program's writes the first contents.
    pub(super) fn new(
        settings: &'a Settings,
        name: &str,
        layout: &'static TypeLayout,
        len: usize,
        has_init: bool,
    ) -> Result<Self, ShmError> {
        Ok(Self {
            settings,
            name: SegmentName::new(name)?,
            layout,
            len,
            pauses: settings.pauses(),
            untouched: !has_init,
        })
    }

    /// Makes the segment, which is complete but for its first contents and its name.
    pub(super) fn segment(&mut self) -> Result<Box<Segment>, ShmError> {
        let Self {
            settings,
            name,
            layout,
            len,
            pauses,
            untouched,
        } = self;
        let look_first = !*untouched || !create::is_cheap(settings, layout, *len);
        until_free(pauses, || {
            let deadline = settings.deadline();
            boxed(create::prepare(
                settings, name, layout, *len, deadline, look_first,
            ))
        })
    }

    /// Gives the segment its name. Its first contents may have taken longer than the timeout, which is for retries. Another process
    /// may have taken the name meanwhile.
    pub(super) fn publish(mut self, segment: &Segment) -> Result<(), ShmError> {
        let settings = self.settings;
        until_free(&mut self.pauses, || {
            let untouched = std::mem::take(&mut self.untouched);
            segment.publish(settings, settings.deadline(), untouched)
        })
    }
}

fn create_unnamed(
    settings: &Settings,
    layout: &'static TypeLayout,
    len: usize,
) -> Result<Box<Segment>, ShmError> {
    boxed(create::anonymous(settings, layout, len)).map_err(|error| error.named(ANONYMOUS))
}

fn attach_named(
    settings: &Settings,
    name: &str,
    layout: &'static TypeLayout,
    mode: AttachMode,
) -> Result<Box<Segment>, ShmError> {
    let checked = SegmentName::new(name)?;
    let mut appearance = Appearance::new(settings, &checked);
    loop {
        match attach::attach(
            settings,
            &checked,
            Wanted::Type(layout),
            mode,
            settings.deadline(),
        ) {
            Err(ShmError::NotFound { .. }) if appearance.pause() => {}
            made => return boxed(made).map_err(|error| error.named(name)),
        }
    }
}

fn attach_descriptor(
    settings: &Settings,
    fd: OwnedFd,
    layout: &'static TypeLayout,
    mode: AttachMode,
) -> Result<Box<Segment>, ShmError> {
    let wanted = Wanted::Type(layout);
    let made = attach::from_fd(settings, File::from(fd), wanted, mode, settings.deadline());
    boxed(made).map_err(|error| error.named(ANONYMOUS))
}

/// Repeats `attempt`, with these pauses, while a live segment has the name or another process removes or replaces what has it.
fn until_free<R>(
    pauses: &mut Backoff,
    mut attempt: impl FnMut() -> Result<R, ShmError>,
) -> Result<R, ShmError> {
    loop {
        match attempt() {
            Err(
                ShmError::AlreadyExists {
                    existing: Existing::Live,
                    ..
                }
                | ShmError::Busy { .. },
            ) if pauses.pause() => {}
            other => return other,
        }
    }
}

/// An error of the closure, which belongs to the program, or one about the segment, which gets its name.
pub(crate) enum Failure<E> {
    Init(E),
    Segment(ShmError),
}

impl<E: From<ShmError>> Failure<E> {
    pub(crate) fn named(self, name: &str) -> E {
        match self {
            Self::Init(error) => error,
            Self::Segment(error) => error.named(name).into(),
        }
    }
}

impl<E> From<ShmError> for Failure<E> {
    fn from(error: ShmError) -> Self {
        Self::Segment(error)
    }
}

/// What the closure of `create_with` and its variants may return: `()`, or a `Result` whose error reaches the caller.
///
/// The error can be any type that a [`ShmError`] converts into, such as `Box<dyn Error>`.
///
/// ```
/// use shm_core::ShmLayout;
///
/// #[derive(ShmLayout)]
/// #[repr(C)]
/// struct Config { limit: u64 }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("/doc-init-{}", std::process::id());
/// let created = Config::create_with(&name, |config| -> Result<(), Box<dyn std::error::Error>> {
///     config.limit.set("no number".parse()?);
///     Ok(())
/// });
/// assert_eq!(created.unwrap_err().to_string(), "invalid digit found in string");
/// assert!(Config::attach(&name).is_err()); // nothing was published
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "the closure that initializes a segment returns `()` or `Result<(), E>`, not `{Self}`",
    label = "neither `()` nor a `Result<(), E>` with `E: From<ShmError>`",
    note = "end the closure's last statement with a semicolon, or return a `Result` whose error converts from `ShmError`"
)]
pub trait InitResult: sealed::Sealed {
    /// What the creating function returns if it fails.
    type Error: From<ShmError>;

    #[doc(hidden)]
    fn into_result(self) -> Result<(), Self::Error>;
}

impl InitResult for () {
    type Error = ShmError;

    fn into_result(self) -> Result<(), ShmError> {
        Ok(())
    }
}

impl<E: From<ShmError>> InitResult for Result<(), E> {
    type Error = E;

    fn into_result(self) -> Self {
        self
    }
}

/// A closure that only panics, as one of `todo!()` does. The type has no name on stable Rust but as what such a function
/// returns.
impl InitResult for Never {
    type Error = ShmError;

    fn into_result(self) -> Result<(), ShmError> {
        self
    }
}

type Never = <fn() -> ! as sealed::Function>::Output;

mod sealed {
    pub trait Sealed {}
    impl Sealed for () {}
    impl<E> Sealed for Result<(), E> {}
    impl Sealed for super::Never {}

    pub trait Function {
        type Output;
    }
    impl<T> Function for fn() -> T {
        type Output = T;
    }
}

/// Runs `init` on a new segment, if it has not run yet, and checks what it wrote.
pub(super) fn initialize<T: ShmLayout + ?Sized, E>(
    segment: Box<Segment>,
    init: &mut Option<impl FnOnce(&Shm<T>) -> Result<(), E>>,
) -> Result<Shm<T>, Failure<E>> {
    let shm = Shm::new(segment);
    if let Some(init) = init.take() {
        init(&shm).map_err(Failure::Init)?;
    }
    check_initialized(&shm)?;
    Ok(shm)
}

/// Checks that `init` has written every enum that has no value 0: none of them can be read otherwise.
fn check_initialized<T: ShmLayout + ?Sized>(shm: &Shm<T>) -> Result<(), ShmError> {
    if T::LAYOUT.zero_is_valid() {
        return Ok(());
    }
    shm.validate().map_err(uninitialized)
}

/// The error for a value that `init` has not written.
pub(crate) fn uninitialized(value: InvalidValue) -> ShmError {
    ShmError::Uninitialized {
        name: UNNAMED,
        value,
    }
}
