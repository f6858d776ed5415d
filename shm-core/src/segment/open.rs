//! The ways to make and to find a segment: what options end in.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::attach::{self, How};
use super::create;
use super::handle::Shm;
use super::lifetime::{self, Found};
use super::options::{Settings, ShmOptions};
use crate::access::{Access, ReadOnly};
use crate::diagnostics::{KnowsLengthOf, SharedMemory};
use crate::error::{ANONYMOUS, ShmError, UNNAMED};
use crate::layout::{assert_creatable, assert_has_tail, assert_shareable};
use crate::name::SegmentName;
use crate::shm_layout::ShmLayout;
use crate::sys::clock::{Backoff, Deadline};

// Each of these looks at the type at compile time: only there is an instance of a generic type known. What they share
// does not look again, so that a mistake is reported once, at the user's own call.
impl<T: ShmLayout + ?Sized> ShmOptions<T> {
    /// Creates a segment of zero bytes. The name appears once the segment is
    /// complete, and goes with the handle. A leftover, whose processes have all ended without removing it, is replaced;
    /// what to do about one that others are still attached to is told at [`supersede`](Self::supersede).
    ///
    /// If this process is killed before the name appears nothing stays behind; if later, a leftover.
    ///
    /// # Errors
    ///
    /// [`InvalidName`](ShmError::InvalidName); [`AlreadyExists`](ShmError::AlreadyExists) when a live or persistent
    /// segment, or something else, has the name; [`NoSpace`](ShmError::NoSpace);
    /// [`PermissionDenied`](ShmError::PermissionDenied); [`Busy`](ShmError::Busy) when other processes keep locking or
    /// replacing it for the whole timeout; [`Os`](ShmError::Os).
    pub fn create(&self, name: &str) -> Result<Shm<T>, ShmError>
    where
        SharedMemory: KnowsLengthOf<T>,
    {
        const { assert_creatable(T::LAYOUT, "create_with") };
        self.create_tail(name, 0, |_| {})
    }

    /// [`create`](Self::create), and runs `init` before the name appears, so that no other process sees the segment
    /// without what `init` wrote. A panic in it leaves nothing behind.
    ///
    /// # Errors
    ///
    /// Those of [`create`](Self::create), and [`Uninitialized`](ShmError::Uninitialized) when `init` has left an enum without
    /// a value. `init` may have run although the name was taken in the end.
    pub fn create_with(&self, name: &str, init: impl FnOnce(&Shm<T>)) -> Result<Shm<T>, ShmError>
    where
        SharedMemory: KnowsLengthOf<T>,
    {
        const { assert_shareable(T::LAYOUT) };
        self.create_tail(name, 0, init)
    }

    /// [`create`](Self::create) for a type that ends in a slice, with `len` elements in it.
    ///
    /// # Errors
    ///
    /// Those of [`create`](Self::create), and [`Os`](ShmError::Os) with `EFBIG` for a length that no machine has.
    pub fn create_with_len(&self, name: &str, len: usize) -> Result<Shm<T>, ShmError> {
        const { assert_creatable(T::LAYOUT, "options().create_with_len_and") };
        const { assert_has_tail(T::LAYOUT) };
        self.create_tail(name, len, |_| {})
    }

    /// [`create_with`](Self::create_with) for a type that ends in a slice, with `len` elements in it.
    ///
    /// # Errors
    ///
    /// Those of [`create_with_len`](Self::create_with_len), and [`Uninitialized`](ShmError::Uninitialized).
    pub fn create_with_len_and(
        &self,
        name: &str,
        len: usize,
        init: impl FnOnce(&Shm<T>),
    ) -> Result<Shm<T>, ShmError> {
        const { assert_shareable(T::LAYOUT) };
        const { assert_has_tail(T::LAYOUT) };
        self.create_tail(name, len, init)
    }

    /// Attaches to the segment that has the name, or creates it. Every handle made by this is an owner: the name goes
    /// with the last of them, so that equal peers may start and end in any order.
    ///
    /// It also attaches to a leftover, whose contents are complete but may be old; a leftover of another layout, as after
    /// a crash and an upgrade, is replaced. Where the last owner runs as another
    /// user than the segment's, the system does not let it remove the name, and a leftover stays.
    ///
    /// # Errors
    ///
    /// Those of [`create`](Self::create) and [`attach`](Self::attach), without `AlreadyExists` and `NotFound`.
    pub fn open_or_create(&self, name: &str) -> Result<Shm<T>, ShmError>
    where
        SharedMemory: KnowsLengthOf<T>,
    {
        const { assert_creatable(T::LAYOUT, "options().open_or_create_with") };
        self.open_or_create_tail(name, 0, |_| {})
    }

    /// [`open_or_create`](Self::open_or_create), and runs `init` on a new segment before its name appears.
    ///
    /// # Errors
    ///
    /// Those of [`open_or_create`](Self::open_or_create), and [`Uninitialized`](ShmError::Uninitialized) when `init` has left
    /// an enum without a value. `init` may run without effect, when another process creates the segment at the same time.
    pub fn open_or_create_with(
        &self,
        name: &str,
        init: impl FnOnce(&Shm<T>),
    ) -> Result<Shm<T>, ShmError>
    where
        SharedMemory: KnowsLengthOf<T>,
    {
        const { assert_shareable(T::LAYOUT) };
        self.open_or_create_tail(name, 0, init)
    }

    /// [`open_or_create`](Self::open_or_create) for a type that ends in a slice. A segment that is live or persistent must
    /// have `len` elements in it, too; a leftover of another length is replaced, as one of another layout is.
    ///
    /// # Errors
    ///
    /// Those of [`open_or_create`](Self::open_or_create), [`LayoutMismatch`](ShmError::LayoutMismatch) for another
    /// length, which changes nothing, and [`Os`](ShmError::Os) with `EFBIG` for one that no machine has.
    pub fn open_or_create_with_len(&self, name: &str, len: usize) -> Result<Shm<T>, ShmError> {
        const { assert_creatable(T::LAYOUT, "options().open_or_create_with_len_and") };
        const { assert_has_tail(T::LAYOUT) };
        self.open_or_create_tail(name, len, |_| {})
    }

    /// [`open_or_create_with`](Self::open_or_create_with) for a type that ends in a slice.
    ///
    /// # Errors
    ///
    /// Those of [`open_or_create_with_len`](Self::open_or_create_with_len), and
    /// [`Uninitialized`](ShmError::Uninitialized).
    pub fn open_or_create_with_len_and(
        &self,
        name: &str,
        len: usize,
        init: impl FnOnce(&Shm<T>),
    ) -> Result<Shm<T>, ShmError> {
        const { assert_shareable(T::LAYOUT) };
        const { assert_has_tail(T::LAYOUT) };
        self.open_or_create_tail(name, len, init)
    }

    /// Attaches to the segment that has the name, for reading and writing. The name does not depend on this handle,
    /// but a leftover is not replaced as long as it lives.
    ///
    /// The handle stays usable when the owner ends and the name goes.
    ///
    /// # Errors
    ///
    /// [`InvalidName`](ShmError::InvalidName); [`NotFound`](ShmError::NotFound), after [`wait`](Self::wait)ing for it if asked
    /// to;
    /// [`PermissionDenied`](ShmError::PermissionDenied), [`WrongOwner`](ShmError::WrongOwner),
    /// [`NotASegment`](ShmError::NotASegment), [`UnsupportedFormat`](ShmError::UnsupportedFormat),
    /// [`Corrupt`](ShmError::Corrupt), [`LayoutMismatch`](ShmError::LayoutMismatch) when it holds another type or
    /// another version of this one; [`Busy`](ShmError::Busy) when other processes keep replacing or removing it for
    /// the whole timeout; [`Os`](ShmError::Os).
    pub fn attach(&self, name: &str) -> Result<Shm<T>, ShmError> {
        const { assert_shareable(T::LAYOUT) };
        self.attach_as(name)
    }

    /// Attaches for reading only: the pages cannot be written, and the handle has no method that would.
    ///
    /// # Errors
    ///
    /// Those of [`attach`](Self::attach).
    pub fn attach_read_only(&self, name: &str) -> Result<Shm<T, ReadOnly>, ShmError> {
        const { assert_shareable(T::LAYOUT) };
        self.attach_as(name)
    }

    /// Creates a segment without a name: a memfd that nobody can shrink or grow. Share it by `fork`, or pass its
    /// descriptor to another process, which calls [`from_fd`](Self::from_fd). It goes with the last who has it.
    ///
    /// # Errors
    ///
    /// [`NoSpace`](ShmError::NoSpace), [`Os`](ShmError::Os).
    pub fn create_anonymous(&self) -> Result<Shm<T>, ShmError>
    where
        SharedMemory: KnowsLengthOf<T>,
    {
        const { assert_creatable(T::LAYOUT, "options().create_anonymous_with") };
        self.create_anonymous_tail(0, |_| {})
    }

    /// [`create_anonymous`](Self::create_anonymous), and runs `init` on the new segment.
    ///
    /// # Errors
    ///
    /// Those of [`create_anonymous`](Self::create_anonymous), and [`Uninitialized`](ShmError::Uninitialized) when `init` has
    /// left an enum without a value.
    pub fn create_anonymous_with(&self, init: impl FnOnce(&Shm<T>)) -> Result<Shm<T>, ShmError>
    where
        SharedMemory: KnowsLengthOf<T>,
    {
        const { assert_shareable(T::LAYOUT) };
        self.create_anonymous_tail(0, init)
    }

    /// [`create_anonymous`](Self::create_anonymous) for a type that ends in a slice, with `len` elements in it.
    ///
    /// # Errors
    ///
    /// Those of [`create_anonymous`](Self::create_anonymous), and `EFBIG` for a length that no machine has.
    pub fn create_anonymous_with_len(&self, len: usize) -> Result<Shm<T>, ShmError> {
        const { assert_creatable(T::LAYOUT, "options().create_anonymous_with_len_and") };
        const { assert_has_tail(T::LAYOUT) };
        self.create_anonymous_tail(len, |_| {})
    }

    /// [`create_anonymous_with`](Self::create_anonymous_with) for a type that ends in a slice.
    ///
    /// # Errors
    ///
    /// Those of [`create_anonymous_with_len`](Self::create_anonymous_with_len), and
    /// [`Uninitialized`](ShmError::Uninitialized).
    pub fn create_anonymous_with_len_and(
        &self,
        len: usize,
        init: impl FnOnce(&Shm<T>),
    ) -> Result<Shm<T>, ShmError> {
        const { assert_shareable(T::LAYOUT) };
        const { assert_has_tail(T::LAYOUT) };
        self.create_anonymous_tail(len, init)
    }

    /// Attaches to the anonymous segment behind a descriptor, for reading and writing. The descriptor becomes
    /// close-on-exec and goes with the handle. One in the place of a standard stream (0, 1 or 2) is given another number at
    /// once, so that nothing is printed into the segment; its old number is free then.
    ///
    /// Who passes a descriptor is trusted with the contents as any peer is, and not with the size, which must be
    /// sealed. The owner of the file is not asked for.
    ///
    /// # Errors
    ///
    /// [`NotASegment`](ShmError::NotASegment) when the size is not sealed,
    /// [`PermissionDenied`](ShmError::PermissionDenied) when the descriptor allows no writing, and those of
    /// [`attach`](Self::attach).
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

    /// [`create_with`](Self::create_with) for `tail` elements in the trailing slice.
    pub(crate) fn create_tail(
        &self,
        name: &str,
        tail: usize,
        init: impl FnOnce(&Shm<T>),
    ) -> Result<Shm<T>, ShmError> {
        let checked = SegmentName::new(name)?;
        let create = || {
            let deadline = self.deadline();
            let segment = create::prepare(&self.settings, &checked, T::LAYOUT, tail, deadline)?;
            let shm = Shm::new(segment);
            init(&shm);
            initialized(&shm)?;
            // `init` may have taken longer than the timeout, which is for retries.
            shm.segment().publish(&self.settings, self.deadline())?;
            Ok(shm)
        };
        create().map_err(|error: ShmError| error.named(name))
    }

    /// [`open_or_create_with`](Self::open_or_create_with) for `tail` elements in the trailing slice.
    pub(crate) fn open_or_create_tail(
        &self,
        name: &str,
        tail: usize,
        init: impl FnOnce(&Shm<T>),
    ) -> Result<Shm<T>, ShmError> {
        let checked = SegmentName::new(name)?;
        self.open_or_create_checked(&checked, tail, init)
            .map_err(|error| error.named(name))
    }

    fn open_or_create_checked(
        &self,
        name: &SegmentName,
        tail: usize,
        init: impl FnOnce(&Shm<T>),
    ) -> Result<Shm<T>, ShmError> {
        // What is there is attached to, and never superseded, not even where it comes and loses its owner meanwhile.
        let settings = &Settings {
            supersede: false,
            ..self.settings.clone()
        };
        let mut deadline = self.deadline();
        let mut backoff = Backoff::until(deadline);
        let mut init = Some(init);
        let (mut lost_before, mut refused_before) = (false, false);
        // What was built and lost the race for the name is kept: the winner may be gone by the next look, and `init`
        // runs only once.
        let mut built: Option<Shm<T>> = None;
        loop {
            let how = How {
                writable: true,
                owner: true,
                tail: Some(tail),
            };
            match attach::attach(settings, name, T::LAYOUT, how, deadline) {
                Err(ShmError::NotFound { .. }) => {}
                Err(mismatch @ ShmError::LayoutMismatch { .. }) => {
                    match lifetime::examine_settled(name, deadline)? {
                        // What nobody uses and is of another layout or length, as after a crash and an upgrade, is replaced
                        // as `create` does. Nor is it in the way if it has just gone.
                        Found::Leftover(..) | Found::Nothing => {}
                        Found::InTransition if backoff.pause() => continue,
                        // Another who found the same may have replaced it by now.
                        Found::Taken(_) if !std::mem::replace(&mut refused_before, true) => {
                            continue;
                        }
                        _ => return Err(mismatch),
                    }
                }
                other => return other.map(Shm::new),
            }
            let published = match &built {
                Some(shm) => shm.segment().publish(settings, deadline),
                None => {
                    create::prepare(settings, name, T::LAYOUT, tail, deadline).and_then(|segment| {
                        let shm = built.insert(Shm::new(segment));
                        if let Some(init) = init.take() {
                            init(shm);
                        }
                        initialized(shm)?;
                        // `init` may have taken longer than the timeout, which is for retries.
                        deadline = self.deadline();
                        backoff = Backoff::until(deadline);
                        shm.segment().publish(settings, deadline)
                    })
                }
            };
            match (published, built.take()) {
                (Ok(()), Some(shm)) => return Ok(shm),
                (Err(ShmError::AlreadyExists { .. }), lost) => {
                    built = lost;
                    // The winner was there a moment ago, so however short the timeout is, it is worth a look.
                    if !std::mem::replace(&mut lost_before, true) {
                        continue;
                    }
                }
                (Err(other), _) => return Err(other),
                // Nothing is published without having been built.
                (Ok(()), None) => {}
            }
            if !backoff.pause() {
                let reason = "other processes keep creating and removing it";
                return Err(ShmError::busy(reason, self.settings.timeout));
            }
        }
    }

    /// [`create_anonymous_with`](Self::create_anonymous_with) for `tail` elements in the trailing slice.
    pub(crate) fn create_anonymous_tail(
        &self,
        tail: usize,
        init: impl FnOnce(&Shm<T>),
    ) -> Result<Shm<T>, ShmError> {
        let create = || {
            let shm = Shm::new(create::anonymous(&self.settings, T::LAYOUT, tail)?);
            init(&shm);
            initialized(&shm)?;
            Ok(shm)
        };
        create().map_err(|error: ShmError| error.named(ANONYMOUS))
    }

    pub(crate) fn attach_as<A: Access>(&self, name: &str) -> Result<Shm<T, A>, ShmError> {
        let checked = SegmentName::new(name)?;
        let how = How {
            writable: A::WRITABLE,
            owner: false,
            tail: None,
        };
        // What is waited for is a program that has yet to get so far.
        const SELDOM: Duration = Duration::from_millis(20);
        let mut pauses = Backoff::up_to(SELDOM, Deadline::after(self.settings.wait));
        loop {
            match attach::attach(&self.settings, &checked, T::LAYOUT, how, self.deadline()) {
                Err(ShmError::NotFound { .. }) if pauses.pause() => {}
                Err(error) => return Err(error.named(name)),
                Ok(segment) => return Ok(Shm::new(segment)),
            }
        }
    }

    pub(crate) fn attach_fd<A: Access>(&self, fd: OwnedFd) -> Result<Shm<T, A>, ShmError> {
        let file = File::from(fd);
        attach::from_fd(
            &self.settings,
            file,
            T::LAYOUT,
            A::WRITABLE,
            self.deadline(),
        )
        .map(Shm::new)
        .map_err(|error| error.named(ANONYMOUS))
    }

    fn deadline(&self) -> Deadline {
        Deadline::after(self.settings.timeout)
    }
}

/// Looks whether `init` has written every enum of which zero is no value: none of them can be read otherwise.
fn initialized<T: ShmLayout + ?Sized>(shm: &Shm<T>) -> Result<(), ShmError> {
    if T::LAYOUT.zero_is_valid() {
        return Ok(());
    }
    shm.validate().map_err(|value| ShmError::Uninitialized {
        name: UNNAMED,
        value,
    })
}
