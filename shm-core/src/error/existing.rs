//! What already has the name of a segment that was to be created.

use std::fmt;

/// What has a name that was to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Existing {
    /// A segment that at least one living process is attached to.
    Live,
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
                "a live segment has it, with processes attached; attach too, or stop them; if its owner was killed, \
                 `supersede(true)` in the options takes the name over, and `wait(..)` waits until the kernel has torn the owner \
                 down"
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
