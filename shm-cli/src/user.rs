//! The users that segments and files belong to.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::output::user_name;

/// Whether this user may remove a file of another user from a directory: if only the owner may, the directory is sticky.
pub(crate) fn may_remove(owner: u32, directory: &Path) -> bool {
    const STICKY: u32 = 0o1000;

    let user = nix::unistd::geteuid().as_raw();
    user == 0
        || user == owner
        || fs::metadata(directory)
            .is_ok_and(|found| found.mode() & STICKY == 0 || found.uid() == user)
}

/// As which user to run a command again that the system has refused for a file, in words.
pub(crate) fn instead(path: &Path) -> String {
    let owner = fs::symlink_metadata(path).map(|found| found.uid());
    match owner {
        Ok(0) | Err(_) => "run it as root".to_owned(),
        Ok(owner) if owner == nix::unistd::geteuid().as_raw() => {
            "look at its permissions with `ls -l`".to_owned()
        }
        Ok(owner) => format!("run it as user {}, or as root", user_name(owner)),
    }
}
