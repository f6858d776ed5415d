//! What already has the name of a segment that was to be created.

use std::fmt;

/// What has a name that was to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Existing {
    /// A segment with a living owner.
    Live,
    /// A segment that has lost its owner, and that other processes are still attached to. With
    /// [`supersede`](crate::ShmOptions::supersede) it is replaced.
    OwnerGone,
    /// A persistent segment, whether or not a process is attached.
    Persistent,
    /// A segment of the user with this id.
    OtherUser(u32),
    /// An orphaned segment of the user with this id: no process is attached, and it is not persistent.
    OrphanOfOtherUser(u32),
    /// A file that this process may not open for writing, so that it can neither examine nor replace it.
    NotWritable,
    /// A segment with a damaged header or an unknown version of the format.
    Unreadable,
    /// Not a segment.
    NotASegment,
}

impl fmt::Display for Existing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live => {
                "a live segment has it, whose owner is running or was killed a moment ago; attach too, or stop the owner; \
                 `wait(..)` in the options waits until it has ended and the kernel has torn it down"
            }
            Self::OwnerGone => {
                "a segment has it that has lost its owner, and other processes are still attached; `supersede(true)` in the \
                 options takes the name over, and `open_or_create` makes this process its owner"
            }
            Self::Persistent => {
                "a persistent segment has it; attach to it, or remove it with `unlink`"
            }
            Self::OtherUser(uid) => {
                return write!(
                    f,
                    "it belongs to user {uid}; choose another name, or remove it as that user"
                );
            }
            Self::OrphanOfOtherUser(uid) => {
                return write!(
                    f,
                    "it is an orphaned segment of user {uid}, to which no process is attached; remove it with `unlink` as that \
                     user or as root"
                );
            }
            Self::NotWritable => {
                "this process may not open it for writing, and so cannot tell an orphaned segment from one in use; remove it \
                 with `unlink` if it is not needed"
            }
            Self::Unreadable => {
                "it is a damaged segment or has an unknown format; remove it with `unlink` if it is not needed"
            }
            Self::NotASegment => {
                "it is not a segment of this library; choose another name, or remove it with `unlink` if it is not needed"
            }
        })
    }
}
