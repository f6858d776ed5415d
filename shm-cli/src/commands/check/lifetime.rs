//! The name, the file, its owner and its permissions.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use shm_core::dynamic::DynSegment;
use shm_core::{SegmentInfo, SegmentState};

use super::Report;
use crate::failure::Failure;

/// Where the header has the word of state, and the bit of a copy that has lost its source.
const STATE_OFFSET: u64 = 192;
const STALE: u32 = 2;

/// Checks what a name says. Returns `false` if nothing more can be said about the segment.
pub(super) fn check(info: &SegmentInfo, path: &Path, report: &mut Report) -> Result<bool, Failure> {
    let reason = info.reason.as_deref().unwrap_or("it cannot be read");
    match info.state {
        SegmentState::Foreign | SegmentState::Unreadable => {
            // Other files are not opened, which may have side effects.
            if fs::symlink_metadata(path).is_ok_and(|found| found.is_file()) {
                let options = DynSegment::options().any_owner();
                if let Err(error) = options.attach_read_only(&info.name) {
                    return Err(error.into());
                }
            }
            return Err(Failure::refused(format!(
                "`{}` is not a segment: {reason}; check the name: `shm ls` lists the segments that there are",
                info.name.escape_debug()
            )));
        }
        SegmentState::Damaged => {
            report.error(
                "damaged",
                reason,
                "no program can attach to it: remove it with `shm rm`, and restart the program that creates it",
            );
            return Ok(false);
        }
        SegmentState::Orphaned => report.warning(
            "orphaned",
            "no process is attached, and the last one did not remove it",
            "restart its program, which replaces it, or remove it with `shm sweep`",
        ),
        _ => {}
    }
    let Some(contents) = &info.contents else {
        return Ok(false);
    };
    if info.state == SegmentState::Live && !contents.owned {
        report.warning(
            "owner-gone",
            "its owner has died; processes are attached that will not remove the name",
            "restart the program that creates it, with `supersede` or `open_or_create`",
        );
    }
    if info.mode & 0o002 != 0 {
        report.warning(
            "mode",
            format!(
                "every user may write to it (mode {:04o}), and truncate it, which kills all that are attached",
                info.mode
            ),
            "create it with a mode without write permission for others, such as 0o660",
        );
    }
    if contents.creator_uid != info.owner {
        report.warning(
            "user",
            format!(
                "it belongs to user {}, and its header says that user {} made it",
                info.owner, contents.creator_uid
            ),
            "trust it only if you know how it changed hands",
        );
    }
    if !contents.sparse && info.allocated < info.file_len {
        report.warning(
            "memory",
            format!(
                "only {} of its {} bytes have memory, which it does not expect",
                info.allocated, info.file_len
            ),
            "keep room in /dev/shm, or an access to the others kills a process",
        );
    }
    if state_of(path).is_some_and(|state| state & STALE != 0) {
        report.warning(
            "stale",
            "it is a copy of a segment of another machine, and has lost the connection",
            "restart the program that keeps it up to date",
        );
    }
    Ok(true)
}

fn state_of(path: &Path) -> Option<u32> {
    let mut word = [0; 4];
    let file = File::open(path).ok()?;
    file.read_exact_at(&mut word, STATE_OFFSET).ok()?;
    Some(u32::from_ne_bytes(word))
}

/// Which file a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    len: u64,
}

pub(super) fn identity(path: &Path) -> Option<Identity> {
    let file = fs::symlink_metadata(path).ok()?;
    Some(Identity {
        device: file.dev(),
        inode: file.ino(),
        len: file.len(),
    })
}

/// Whether the name has led to the same file all the time.
pub(super) fn check_again(before: Identity, path: &Path, report: &mut Report) {
    match identity(path) {
        None => report.warning(
            "removed",
            "its name was removed while it was checked",
            "attached processes have to attach again once it is created anew",
        ),
        Some(now) if (now.device, now.inode) != (before.device, before.inode) => report.warning(
            "superseded",
            "another segment took its name while it was checked",
            "run the check again",
        ),
        Some(now) if now.len != before.len => report.error(
            "truncated",
            format!(
                "its file had {} bytes, and has {} now",
                before.len, now.len
            ),
            "another program has damaged it: remove it with `shm rm`, and restart the programs that use it",
        ),
        Some(_) => {}
    }
}
