//! The memory limit of a control group.

#![forbid(unsafe_code)]

use std::fs;
use std::path::PathBuf;

use shm_tests::{Names, peer};

/// A control group with a memory limit, where this process may make one. The kernel removes it when it is empty.
struct Group {
    path: PathBuf,
    procs: PathBuf,
}

impl Group {
    fn new(limit: u64) -> Option<Self> {
        let name = format!("shm-tests-{}", std::process::id());
        for (root, file, is_mounted) in [
            (
                "/sys/fs/cgroup",
                "memory.max",
                "/sys/fs/cgroup/cgroup.subtree_control",
            ),
            (
                "/sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            ),
        ] {
            if !PathBuf::from(is_mounted).exists() {
                continue;
            }
            let path = PathBuf::from(root).join(&name);
            if fs::create_dir(&path).is_err() {
                continue;
            }
            let group = Self {
                procs: path.join("cgroup.procs"),
                path,
            };
            if fs::write(group.path.join(file), limit.to_string()).is_ok() {
                return Some(group);
            }
        }
        eprintln!("skipped: no control group with a memory limit can be made here");
        None
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.path);
    }
}

#[test]
fn a_segment_beyond_the_memory_limit_is_refused_without_a_kill() {
    const LIMIT: u64 = 32 << 20;
    // Elements of eight bytes.
    const TOO_MANY: usize = (100 << 20) / 8;
    const FEW: usize = (4 << 20) / 8;
    let Some(group) = Group::new(LIMIT) else {
        return;
    };
    let names = Names::new("memory-limit");
    let name = names.name("s");
    let mut peer = peer!();
    fs::write(&group.procs, peer.pid().to_string()).unwrap();
    for how in ["create", "join"] {
        let text = peer.refused(
            &format!("open s {how} {name} samples={TOO_MANY}"),
            "NoSpace",
        );
        assert!(
            text.contains(&format!("memory limit of {LIMIT} bytes leaves")),
            "{text}"
        );
    }
    // What fits is created, also while the page cache fills the group.
    peer.ok(&format!("open s create {name} samples={FEW}"));
    peer.ok("drop s");
    peer.end();
}
