//! How a segment is made or attached to, as a builder.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use crate::shm_layout::ShmLayout;

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
    pub(super) wait: Duration,
    pub(super) timeout: Duration,
}

impl Settings {
    pub(super) fn trusts(&self, owner: u32) -> bool {
        self.any_owner || self.allowed_owners.contains(&owner)
    }
}

/// How to create a segment of `T` or to attach to one.
///
/// Set what differs from the defaults, then call one of the methods that take a name or a descriptor. The options can
/// be used any number of times.
#[must_use = "options do nothing until a segment is created or attached to"]
pub struct ShmOptions<T: ?Sized> {
    pub(super) settings: Settings,
    kind: PhantomData<fn(*const T)>,
}

impl<T: ?Sized> Clone for ShmOptions<T> {
    fn clone(&self) -> Self {
        Self {
            settings: self.settings.clone(),
            kind: PhantomData,
        }
    }
}

impl<T: ?Sized> fmt::Debug for ShmOptions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ShmOptions").field(&self.settings).finish()
    }
}

impl<T: ShmLayout + ?Sized> Default for ShmOptions<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: ShmLayout + ?Sized> ShmOptions<T> {
    /// The defaults: mode `0o600`, the creator's group, every page reserved, only segments of this user, one second.
    pub fn new() -> Self {
        let settings = Settings {
            mode: 0o600,
            group: None,
            sparse: false,
            populate: false,
            huge_pages: false,
            lock_in_memory: false,
            allowed_owners: Vec::new(),
            any_owner: false,
            supersede: false,
            wait: Duration::ZERO,
            timeout: DEFAULT_TIMEOUT,
        };
        Self {
            settings,
            kind: PhantomData,
        }
    }

    /// The permission bits of a new segment, exactly: the umask does not apply. Other bits are ignored, and those for
    /// execution too where the segment is anonymous.
    ///
    /// Who may only read can attach read-only. Without the owner's write permission a leftover cannot be replaced.
    pub fn mode(mut self, mode: u32) -> Self {
        self.settings.mode = mode & 0o777;
        self
    }

    /// The group id of a new segment. An ordinary user can give a group that the process is in.
    pub fn group(mut self, group: u32) -> Self {
        self.settings.group = Some(group);
        self
    }

    /// Does not reserve the pages of a new segment, so that parts never written take no memory.
    ///
    /// The price: where /dev/shm is full when such a part is first touched, the process that touches it gets `SIGBUS`.
    pub fn sparse(mut self, sparse: bool) -> Self {
        self.settings.sparse = sparse;
        self
    }

    /// Makes every page present while creating or attaching, so that no later access takes a page fault. Kernels
    /// before 5.14 ignore it.
    pub fn populate(mut self, populate: bool) -> Self {
        self.settings.populate = populate;
        self
    }

    /// Asks for huge pages. It is advice: the kernel gives them where /dev/shm is configured for them.
    pub fn huge_pages(mut self, huge_pages: bool) -> Self {
        self.settings.huge_pages = huge_pages;
        self
    }

    /// Keeps the pages out of swap as long as the handle lives, within the limit on locked memory.
    pub fn lock_in_memory(mut self, lock: bool) -> Self {
        self.settings.lock_in_memory = lock;
        self
    }

    /// Also attaches to segments of the user with this id. May be called for several. Segments of the process's own
    /// effective user are always allowed.
    ///
    /// In a user namespace, as of a container, all users that it does not know seem to be user 65534: allowing that one
    /// allows all of them.
    pub fn allowed_owner(mut self, user: u32) -> Self {
        self.settings.allowed_owners.push(user);
        self
    }

    /// Attaches to segments of any user. Whoever owns a named segment can truncate it, which kills with `SIGBUS` who
    /// touches it.
    pub fn any_owner(mut self) -> Self {
        self.settings.any_owner = true;
        self
    }

    /// Lets `create` and its kin take the name from a segment that others are still attached to, if it has lost its
    /// owner: that was killed, and its readers live on. Without this they say `AlreadyExists` until the last of those is gone.
    /// It is what a publisher that is started again wants.
    ///
    /// Those who are attached stay on the old segment, whatever type it holds, and nobody writes to it any more but they
    /// themselves: [`is_current`](crate::Shm::is_current) tells them, and they attach again. For a moment the name leads
    /// nowhere, as when a leftover is replaced; [`wait`](Self::wait) gets over that. If this process is killed just then,
    /// nothing has the name, and the next one creates it.
    ///
    /// Never superseded are a segment that has a living owner
    /// ([`has_owner`](crate::Shm::has_owner)), and all that `create` never replaces: persistent segments, those of other
    /// users, and what is no sound segment. Two that supersede the same one at the same time do not both succeed: the second
    /// gets `AlreadyExists`. An owner that was killed counts as alive until the kernel has taken it apart, which for a
    /// small process takes milliseconds; after `waitpid` it does not.
    ///
    /// `open_or_create` does not heed this: it attaches to what there is, and becomes its owner.
    pub fn supersede(mut self, supersede: bool) -> Self {
        self.settings.supersede = supersede;
        self
    }

    /// How long `attach` and `attach_read_only` wait for a name that does not exist (yet). Not at all unless set;
    /// `Duration::MAX` is for ever.
    ///
    /// They look again after 50 µs, and then ever later, every 20 ms at most, by a clock that setting the time of day does
    /// not move. What else is wrong they tell at once. When the time is up they say `NotFound`. This is apart from the
    /// [`timeout`](Self::timeout), which begins anew when there is something to attach to.
    ///
    /// If the process that was to create the segment has died, nobody tells them; only the time ends this.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.settings.wait = wait;
        self
    }

    /// How long to retry, in all, while other processes replace, remove or lock the segment. One second unless set;
    /// each call tries at least once.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }
}
