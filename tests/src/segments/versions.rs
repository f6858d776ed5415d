//! Versions of one struct, to which fields were appended, and two branches.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use shm_core::segment::SegmentStatus;
use shm_core::sync::Mutex;
use shm_core::{Access, ReadOnly, Shm, ShmCell, ShmError, ShmLayout, ShmOptions};

/// A handle on a segment, as one of the versions.
pub trait Version {
    /// The value of a field; `None` if the version does not have it.
    fn get(&self, field: &str) -> Option<u64>;

    /// Writes a field. `false` if the version does not have it, or the handle is read-only.
    fn set(&self, field: &str, value: u64) -> bool;

    /// See [`Shm::level`].
    ///
    /// # Errors
    ///
    /// The same.
    fn level(&self) -> Result<u32, ShmError>;

    /// See [`Shm::status`].
    fn status(&self) -> SegmentStatus;

    /// The descriptor of the segment.
    fn descriptor(&self) -> BorrowedFd<'_>;
}

/// A field of any type that the versions have.
pub trait Word {
    /// Its value, if the handle can read it.
    fn read(&self) -> Option<u64>;

    /// Writes it. `false` if the handle is read-only.
    fn write(&self, value: u64) -> bool;
}

impl Word for ShmCell<u64> {
    fn read(&self) -> Option<u64> {
        Some(self.get())
    }

    fn write(&self, value: u64) -> bool {
        self.set(value);
        true
    }
}

impl Word for ShmCell<u64, ReadOnly> {
    fn read(&self) -> Option<u64> {
        Some(self.get())
    }

    fn write(&self, _: u64) -> bool {
        false
    }
}

impl Word for ShmCell<Mutex<u64>> {
    fn read(&self) -> Option<u64> {
        self.lock().ok().map(|value| value.get())
    }

    fn write(&self, value: u64) -> bool {
        self.lock().is_ok_and(|guard| {
            guard.set(value);
            true
        })
    }
}

impl Word for ShmCell<Mutex<u64>, ReadOnly> {
    fn read(&self) -> Option<u64> {
        None
    }

    fn write(&self, _: u64) -> bool {
        false
    }
}

/// How a version opens a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// `create`.
    Create,
    /// `create`, and then `persist`.
    Persist,
    /// `open_or_create`.
    Join,
    /// `attach`.
    Attach,
    /// `attach_read_only`.
    Read,
}

/// What to open.
#[derive(Debug)]
pub enum Place<'a> {
    /// The segment of this name.
    Name(&'a str),
    /// The anonymous segment behind this descriptor. Calls that create ignore it.
    Descriptor(OwnedFd),
}

fn open_as<T: ShmLayout>(
    how: How,
    place: Place<'_>,
    supersede: bool,
) -> Result<Box<dyn Version>, ShmError>
where
    Shm<T>: Version,
    Shm<T, ReadOnly>: Version,
{
    let options = ShmOptions::<T>::new()
        .supersede(supersede)
        .timeout(Duration::from_secs(20));
    Ok(match (how, place) {
        (How::Create, Place::Name(name)) => Box::new(options.create(name)?),
        (How::Persist, Place::Name(name)) => {
            let shm = options.create(name)?;
            shm.persist()?;
            Box::new(shm)
        }
        (How::Join, Place::Name(name)) => Box::new(options.open_or_create(name)?),
        (How::Attach, Place::Name(name)) => Box::new(options.attach(name)?),
        (How::Read, Place::Name(name)) => Box::new(options.attach_read_only(name)?),
        (How::Create | How::Persist | How::Join, Place::Descriptor(_)) => {
            Box::new(options.create_anonymous()?)
        }
        (How::Attach, Place::Descriptor(fd)) => Box::new(options.from_fd(fd)?),
        (How::Read, Place::Descriptor(fd)) => Box::new(options.from_fd_read_only(fd)?),
    })
}

/// Structs, and what to call them.
macro_rules! versions {
    ($(
        $(#[doc = $doc:literal])*
        $tag:literal $name:ident {
            $($(@$since:tt)? $field:ident: $type:ty = $levels:literal,)*
        }
    )*) => {
        $(
            $(#[doc = $doc])*
            #[derive(ShmLayout)]
            #[repr(C)]
            pub struct $name {
                $(
                    #[doc = concat!("Of level ", $levels, ".")]
                    $(#[shm(since = $since)])?
                    pub $field: $type,
                )*
            }

            impl<A: Access> Version for Shm<$name, A>
            where
                ShmCell<u64, A>: Word,
                ShmCell<Mutex<u64>, A>: Word,
            {
                fn get(&self, field: &str) -> Option<u64> {
                    match field {
                        $(stringify!($field) => self.$field.read(),)*
                        _ => None,
                    }
                }

                fn set(&self, field: &str, value: u64) -> bool {
                    match field {
                        $(stringify!($field) => self.$field.write(value),)*
                        _ => false,
                    }
                }

                fn level(&self) -> Result<u32, ShmError> {
                    Self::level(self)
                }

                fn status(&self) -> SegmentStatus {
                    Self::status(self)
                }

                fn descriptor(&self) -> BorrowedFd<'_> {
                    self.as_fd()
                }
            }
        )*

        /// The names of the versions.
        pub const VERSIONS: &[&str] = &[$($tag),*];

        /// The levels of a version, each as the names of the fields that it adds.
        ///
        /// # Panics
        ///
        /// If there is no such version.
        #[must_use]
        pub fn levels_of(version: &str) -> Vec<Vec<&'static str>> {
            let fields: &[(&str, usize)] = match version {
                $($tag => &[$((stringify!($field), $levels)),*],)*
                other => panic!("there is no version `{other}`"),
            };
            let mut levels: Vec<Vec<&str>> = Vec::new();
            for (field, level) in fields {
                levels.resize(levels.len().max(level + 1), Vec::new());
                levels[*level].push(field);
            }
            levels
        }

        /// Opens a segment as this version.
        ///
        /// # Errors
        ///
        /// Those of the call.
        ///
        /// # Panics
        ///
        /// If there is no such version.
        pub fn open_version(
            version: &str,
            how: How,
            place: Place<'_>,
            supersede: bool,
        ) -> Result<Box<dyn Version>, ShmError> {
            match version {
                $($tag => open_as::<$name>(how, place, supersede),)*
                other => panic!("there is no version `{other}`"),
            }
        }
    };
}

versions! {
    /// The struct as it was at first.
    "v0" V0 {
        a: u64 = 0,
        b: u64 = 0,
    }
    /// One field more.
    "v1" V1 {
        a: u64 = 0,
        b: u64 = 0,
        @1 c: u64 = 1,
    }
    /// Two more.
    "v2" V2 {
        a: u64 = 0,
        b: u64 = 0,
        @1 c: u64 = 1,
        @2 d: u64 = 2,
        @2 e: u64 = 2,
    }
    /// Gains a claim.
    "v3" V3 {
        a: u64 = 0,
        b: u64 = 0,
        @1 c: u64 = 1,
        @2 d: u64 = 2,
        @2 e: u64 = 2,
        @3 lock: Mutex<u64> = 3,
    }
    /// The newest one.
    "v4" V4 {
        a: u64 = 0,
        b: u64 = 0,
        @1 c: u64 = 1,
        @2 d: u64 = 2,
        @2 e: u64 = 2,
        @3 lock: Mutex<u64> = 3,
        @4 f: u64 = 4,
    }
    /// A branch of version 1.
    "x2" X2 {
        a: u64 = 0,
        b: u64 = 0,
        @1 c: u64 = 1,
        @2 x: u64 = 2,
    }
    /// A branch of version 0.
    "y2" Y2 {
        a: u64 = 0,
        b: u64 = 0,
        @1 y: Mutex<u64> = 1,
        @2 z: u64 = 2,
    }
}
