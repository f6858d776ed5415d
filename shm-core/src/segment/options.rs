//! Options for creating segments and attaching to them.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use super::untyped::Untyped;
use crate::layout::assert_has_tail;
use crate::shm_layout::ShmLayout;
use crate::sys::clock::{Backoff, Deadline};

pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// The options without the type.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) mode: u32,
    pub(super) group: Option<u32>,
    pub(super) sparse: bool,
    pub(super) populate: bool,
    pub(super) huge_pages: bool,
    pub(super) lock_in_memory: bool,
    pub(super) allowed_owners: Vec<u32>,
    pub(super) any_owner: bool,
    pub(super) supersede: bool,
    pub(super) wake_readers: bool,
    pub(super) wait: Duration,
    pub(super) timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: 0o600,
            group: None,
            sparse: false,
            populate: false,
            huge_pages: false,
            lock_in_memory: false,
            allowed_owners: Vec::new(),
            any_owner: false,
            supersede: false,
            wake_readers: false,
            wait: Duration::ZERO,
            timeout: DEFAULT_TIMEOUT,
        }
    }
}

impl Settings {
    pub(super) fn trusts(&self, owner: u32) -> bool {
        self.any_owner || self.allowed_owners.contains(&owner)
    }

    /// The end of `timeout`, if it begins now.
    pub(super) fn deadline(&self) -> Deadline {
        Deadline::after(self.timeout)
    }

    /// The pauses between looks at a name, until `wait` is over.
    pub(super) fn pauses(&self) -> Backoff {
        /// The event is the start or the end of another program.
        const LONGEST_PAUSE: Duration = Duration::from_millis(20);

        Backoff::until(Deadline::after(self.wait)).with_pauses_up_to(LONGEST_PAUSE)
    }
}

/// Options for creating a segment of `T` or attaching to one.
///
/// [`T::options()`](crate::ShmLayout::options) starts with the defaults. Set what differs, then call one of the methods that
/// take a name or a descriptor. Options can be used any number of times.
///
/// `LEN` is `true` after [`len`](Self::len) has set the length of the slice that `T` ends in. A type that ends in a slice cannot
/// be created without it.
///
/// ```
/// use shm_core::ShmLayout;
///
/// #[derive(ShmLayout)]
/// #[repr(C)]
/// struct Image { width: u32, height: u32, pixels: [u8] }
///
/// # fn main() -> Result<(), shm_core::ShmError> {
/// # let name = format!("/doc-options-{}", std::process::id());
/// let shm = Image::options()
///     .mode(0o640)
///     .len(640 * 480)
///     .create_with(&name, |image| {
///         image.width.set(640);
///         image.height.set(480);
///     })?;
/// assert_eq!(shm.pixels.len(), 640 * 480);
/// # Ok(()) }
/// ```
#[must_use = "options do nothing until a segment is created or attached to"]
pub struct ShmOptions<T: ?Sized, const LEN: bool = false> {
    pub(super) settings: Settings,
    /// Elements of the trailing slice; 0 for a type without one.
    pub(super) len: usize,
    kind: PhantomData<fn(*const T)>,
}

impl<T: ?Sized, const LEN: bool> Clone for ShmOptions<T, LEN> {
    fn clone(&self) -> Self {
        Self {
            settings: self.settings.clone(),
            len: self.len,
            kind: PhantomData,
        }
    }
}

impl<T: ?Sized, const LEN: bool> fmt::Debug for ShmOptions<T, LEN> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut options = f.debug_struct("ShmOptions");
        options.field("settings", &self.settings);
        if LEN {
            options.field("len", &self.len);
        }
        options.finish()
    }
}

impl<T: ShmLayout + ?Sized> Default for ShmOptions<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: ?Sized> ShmOptions<T> {
    pub(crate) fn defaults() -> Self {
        Self {
            settings: Settings::default(),
            len: 0,
            kind: PhantomData,
        }
    }

    /// `len` without a check, which `create_with_len` makes itself: the compiler names its caller.
    pub(crate) fn with_len(self, len: usize) -> ShmOptions<T, true> {
        ShmOptions {
            settings: self.settings,
            len,
            kind: PhantomData,
        }
    }
}

impl<T: ShmLayout + ?Sized> ShmOptions<T> {
    /// The defaults: mode `0o600`, the creator's group, all pages reserved, only segments of this user, a timeout of one second.
    pub fn new() -> Self {
        Self::defaults()
    }

    /// Sets the number of elements of the slice that `T` ends in, for a new segment.
    ///
    /// A segment that is attached to must have as many: any other length is a
    /// [`LayoutMismatch`](crate::ShmError::LayoutMismatch). Without this, attaching accepts any length.
    ///
    /// It does not compile for a type that does not end in a slice.
    pub fn len(self, len: usize) -> ShmOptions<T, true> {
        const { assert_has_tail(T::LAYOUT) };
        self.with_len(len)
    }
}

impl<T: ?Sized, const LEN: bool> ShmOptions<T, LEN> {
    /// The options, for a segment whose type is a value.
    pub(crate) fn untyped(&self) -> Untyped {
        Untyped {
            settings: self.settings.clone(),
            len: LEN.then_some(self.len),
        }
    }

    /// Sets the permission bits of a new segment, exactly: the umask does not apply. The execute bits of an anonymous segment are
    /// ignored. Bits beyond `0o777` are an error when the segment is created ([`Os`](crate::ShmError::Os) with `EINVAL`).
    ///
    /// Read permission suffices to attach read-only. Without write permission for its user, an orphaned segment cannot be
    /// replaced.
    pub fn mode(mut self, mode: u32) -> Self {
        self.settings.mode = mode;
        self
    }

    /// Sets the group of a new segment. An ordinary user can choose among the groups of the process.
    pub fn group(mut self, group: u32) -> Self {
        self.settings.group = Some(group);
        self
    }

    /// Does not reserve the pages of a new segment. Pages that are never written use no memory.
    ///
    /// If `/dev/shm` is full when such a page is first touched, the process that touches it gets `SIGBUS`.
    pub fn sparse(mut self, sparse: bool) -> Self {
        self.settings.sparse = sparse;
        self
    }

    /// Makes all pages present while creating or attaching, so that no later access takes a page fault. Kernels
    /// before 5.14 ignore it.
    pub fn populate(mut self, populate: bool) -> Self {
        self.settings.populate = populate;
        self
    }

    /// Asks the kernel for huge pages, as advice: where the system is not configured for them, this does nothing, and
    /// nothing fails. [`huge_page_bytes`](crate::Shm::huge_page_bytes) tells how many it has provided.
    ///
    /// For a segment with a name, `/dev/shm` must be mounted with the option `huge=advise`, `within_size` or `always` (`mount
    /// -o remount,huge=advise /dev/shm`; without the option, it is `never`). For one without a name, the same words apply to
    /// `/sys/kernel/mm/transparent_hugepage/shmem_enabled`, which often is `never` as well.
    pub fn huge_pages(mut self, huge_pages: bool) -> Self {
        self.settings.huge_pages = huge_pages;
        self
    }

    /// Lets processes that write to a new segment wake the readers that have a read-only handle and sleep: in
    /// [`SeqLock::wait_newer`](crate::sync::SeqLock::wait_newer), receiving from a [`Broadcast`](crate::sync::Broadcast), or
    /// waiting for an [`Event`](crate::sync::Event).
    ///
    /// Such readers cannot announce that they sleep. So without this option nobody wakes them, and they poll, which costs them
    /// up to 2 ms per message, or a 64th of the wait. With it, each commit, message and notification wakes all sleepers,
    /// whether or not there are any: at most 32 times between two ticks of the kernel's clock (every 4 ms on most systems), for
    /// each lock, queue or event. The others are found by polling, which goes on: for instance the last message of a burst.
    ///
    /// The price is paid by processes that write. It is a system call for each of these wake-ups and a few nanoseconds for each
    /// other commit; [`guide::performance`](crate::guide::performance) has figures. Each handle that may write also takes
    /// 1 GiB of address space, as one on a type with locks does.
    ///
    /// The segment records this, so it holds for every process that attaches, whatever its own options say.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::sync::SeqLock;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("/doc-wake-readers-{}", std::process::id());
    /// let price = SeqLock::<f64>::options().wake_readers(true).create(&name)?;
    ///
    /// // In another process, which may only read:
    /// let reader = SeqLock::<f64>::attach_read_only(&name)?;
    /// std::thread::scope(|scope| {
    ///     let newer = scope.spawn(|| reader.wait_newer(0, std::time::Duration::from_secs(10)));
    ///     price.store(1.5)?; // wakes it
    ///     assert_eq!(newer.join().unwrap()?, 1);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn wake_readers(mut self, wake_readers: bool) -> Self {
        self.settings.wake_readers = wake_readers;
        self
    }

    /// Keeps the pages out of swap while the handle lives, within the limit on locked memory.
    pub fn lock_in_memory(mut self, lock: bool) -> Self {
        self.settings.lock_in_memory = lock;
        self
    }

    /// Also attaches to segments of this user id. Call it once for each user. The process's own effective user is always
    /// allowed.
    ///
    /// In a user namespace, such as a container's, all users without a mapping appear as user 65534: allowing that one
    /// allows all of them.
    pub fn allowed_owner(mut self, user: u32) -> Self {
        self.settings.allowed_owners.push(user);
        self
    }

    /// Attaches to segments of any user. The user that owns a named segment can truncate it, which kills every process that
    /// touches it with `SIGBUS`.
    pub fn any_owner(mut self) -> Self {
        self.settings.any_owner = true;
        self
    }

    /// Lets `create` and its variants take the name of a segment that has lost its owner, even if other processes are still
    /// attached.
    ///
    /// This is what a publisher wants that was killed and is started again: its readers live on, and without this option
    /// `create` returns `AlreadyExists` until the last of them has detached.
    ///
    /// Processes that are attached stay on the old segment, whatever type it holds, and only they still write to it.
    /// [`is_current`](crate::Shm::is_current) tells them to attach again. The name leads nowhere for a moment, as when an
    /// orphaned segment is replaced; readers bridge it with [`wait`](Self::wait). If this process is killed in that moment, the
    /// name is free and the next process creates it.
    ///
    /// A segment with a living owner ([`has_owner`](crate::Shm::has_owner)) is never superseded, nor is anything else that
    /// `create` never replaces: a persistent segment, one of another user, a damaged one. If two processes supersede the same
    /// segment at the same time, one of them gets `AlreadyExists`. A killed owner counts as alive until the kernel has torn it
    /// down, which takes milliseconds for a small process; [`wait`](Self::wait) bridges them, and after `waitpid` it is gone.
    ///
    /// `open_or_create` attaches to a segment of its own layout and becomes its owner, with or without this option. With it, it
    /// takes the name of an ownerless segment of another layout.
    pub fn supersede(mut self, supersede: bool) -> Self {
        self.settings.supersede = supersede;
        self
    }

    /// Sets how long to wait for the other side: `attach` and `attach_read_only` wait for the name to appear, `create` and its
    /// variants for a live segment to free its name, and `open_or_create` and its variants for one of another layout or length
    /// to do so, and while another process has a segment's name locked to remove or replace it. They do not wait unless this is set;
    /// `Duration::MAX` waits for ever.
    ///
    /// The system reports a new name to `attach` (by inotify), which sleeps until then. Where it does not, as in some sandboxes, and for
    /// the other calls, they look again after 50 µs, then at growing intervals of at most 20 ms. Times are those of the
    /// monotonic clock. All other errors are returned at once. When the time is up, `attach` returns `NotFound`, `create` `AlreadyExists`, and
    /// `open_or_create` `LayoutMismatch`; the latter two return `Busy` if the name is still locked. The [`timeout`](Self::timeout) is separate and starts with each look.
    ///
    /// For `create` and `open_or_create` this bridges the milliseconds in which the kernel tears a killed owner down, and the overlap with a
    /// predecessor that is still shutting down. It also waits for an owner that does not intend to end, so a program that must
    /// notice a second instance of itself sets no `wait`, or a short one. `open_or_create` joins a segment of its own layout at once.
    ///
    /// Nothing reports that the process that should create the segment has died; only the time ends the wait.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.settings.wait = wait;
        self
    }

    /// Sets how long to retry while other processes replace, remove or lock the segment: one second by default. Each call
    /// tries at least once.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }
}
