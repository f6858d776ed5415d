//! The memory limit of the control group that this process is in.
//!
//! Reserving more shared memory than the group may have does not fail: the kernel kills a process of the group. So the
//! limit is compared before. Only memory that cannot be reclaimed counts. The page cache fills a group up to its limit in normal
//! operation, and makes room when it has to.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a control group has left below its memory limit, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) available: u64,
    pub(crate) limit: u64,
}

/// The least room among the control groups that this process is in, and their ancestors. `None` if none of them has a limit, or
/// none can be read.
pub(crate) fn room() -> Option<Room> {
    room_in(
        &fs::read_to_string("/proc/self/cgroup").ok()?,
        Path::new("/sys/fs/cgroup"),
    )
}

/// [`room`] for a given `/proc/self/cgroup` and the directory where control groups are mounted.
fn room_in(groups: &str, mounts: &Path) -> Option<Room> {
    groups
        .lines()
        .filter_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            if controllers.is_empty() {
                // Version 2, mounted by itself or next to version 1.
                let root = mounts.join("unified");
                let root = if root.is_dir() {
                    root
                } else {
                    mounts.to_owned()
                };
                least_room(&root, path, unified)
            } else if controllers.split(',').any(|name| name == "memory") {
                least_room(&mounts.join("memory"), path, legacy)
            } else {
                None
            }
        })
        .min_by_key(|room| room.available)
}

/// The least room of the group `path` below `root` and of its ancestors.
///
/// In a container the path may be that of the host, while `root` is the group itself. Directories that do not exist have no
/// limit.
fn least_room(root: &Path, path: &str, read: fn(&Path) -> Option<Room>) -> Option<Room> {
    let mut group: PathBuf = root.join(path.trim_start_matches('/'));
    let mut least: Option<Room> = None;
    loop {
        if let Some(room) = read(&group)
            && least.is_none_or(|least| room.available < least.available)
        {
            least = Some(room);
        }
        if group == root || !group.pop() {
            return least;
        }
    }
}

/// The room of one group of version 2.
fn unified(group: &Path) -> Option<Room> {
    let limit = number(&group.join("memory.max"))?;
    let stat = table(&group.join("memory.stat"))?;
    let of = |name: &str| stat.get(name).copied().unwrap_or(0);
    // Kernels before 5.18 do not have the sum.
    let kernel = match of("kernel") {
        0 => of("slab_unreclaimable") + of("kernel_stack") + of("pagetables") + of("percpu"),
        sum => sum,
    };
    let swap = swap_room(
        number(&group.join("memory.swap.max")),
        number(&group.join("memory.swap.current")).unwrap_or(0),
    );
    Some(left(
        limit,
        of("anon") + of("shmem"),
        of("unevictable"),
        kernel,
        swap,
    ))
}

/// The room of one group of version 1.
fn legacy(group: &Path) -> Option<Room> {
    // Without a limit this is the largest multiple of a page.
    let limit = number(&group.join("memory.limit_in_bytes")).filter(|limit| *limit < 1 << 62)?;
    let stat = table(&group.join("memory.stat"))?;
    let of = |name: &str| stat.get(name).copied().unwrap_or(0);
    let kernel = number(&group.join("memory.kmem.usage_in_bytes")).unwrap_or(0);
    let memory_and_swap =
        number(&group.join("memory.memsw.limit_in_bytes")).filter(|limit| *limit < 1 << 62);
    let swap = swap_room(
        memory_and_swap.map(|both| both.saturating_sub(limit)),
        of("total_swap"),
    );
    Some(left(
        limit,
        of("total_rss") + of("total_shmem"),
        of("total_unevictable"),
        kernel,
        swap,
    ))
}

/// `swappable` and `unevictable` overlap where memory is locked, so their maximum is what is certainly in use.
fn left(limit: u64, swappable: u64, unevictable: u64, kernel: u64, swap: u64) -> Room {
    let used = swappable.max(unevictable).saturating_add(kernel);
    Room {
        available: limit.saturating_sub(used).saturating_add(swap),
        limit,
    }
}

/// Bytes that the group may still swap out: its limit, if it has one, and the machine's free swap.
fn swap_room(limit: Option<u64>, used: u64) -> u64 {
    let free = table(Path::new("/proc/meminfo"))
        .and_then(|info| info.get("SwapFree").copied())
        .unwrap_or(0)
        .saturating_mul(1024);
    match limit {
        Some(limit) => free.min(limit.saturating_sub(used)),
        None => free,
    }
}

/// A file that holds one number. `None` for "max" and for a file that cannot be read.
fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// A file of lines with a name and a number.
fn table(path: &Path) -> Option<HashMap<String, u64>> {
    let text = fs::read_to_string(path).ok()?;
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let name = words.next()?.trim_end_matches(':');
        Some((name.to_owned(), words.next()?.parse().ok()?))
    });
    Some(lines.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A directory of control groups, which is removed afterwards.
    struct Mounts(PathBuf);

    impl Mounts {
        fn new(tag: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("shm-cgroup-{}-{tag}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn write(&self, file: &str, text: impl AsRef<str>) {
            let path = self.0.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text.as_ref()).unwrap();
        }

        /// The room without the swap of the machine that the test runs on.
        fn room(&self, groups: &str) -> Option<(u64, u64)> {
            let room = room_in(groups, &self.0)?;
            Some((room.available, room.limit))
        }
    }

    impl Drop for Mounts {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn stat(anon: u64, shmem: u64, unevictable: u64, kernel: u64, file: u64) -> String {
        format!(
            "anon {anon}\nfile {file}\nkernel {kernel}\nshmem {shmem}\nunevictable {unevictable}\n"
        )
    }

    #[test]
    fn the_page_cache_does_not_count() {
        let mounts = Mounts::new("cache");
        mounts.write("app/memory.max", format!("{}\n", 32 * MIB));
        mounts.write("app/memory.swap.max", "0\n");
        mounts.write("app/memory.stat", stat(4 * MIB, 2 * MIB, 0, MIB, 25 * MIB));
        assert_eq!(mounts.room("0::/app\n"), Some((25 * MIB, 32 * MIB)));
        // Locked memory is part of the anonymous memory, and is not counted twice.
        mounts.write("app/memory.stat", stat(20 * MIB, 0, 20 * MIB, 0, 0));
        assert_eq!(mounts.room("0::/app\n"), Some((12 * MIB, 32 * MIB)));
    }

    #[test]
    fn the_tightest_ancestor_decides() {
        let mounts = Mounts::new("ancestors");
        mounts.write("a/memory.max", format!("{}", 16 * MIB));
        mounts.write("a/memory.swap.max", "0");
        mounts.write("a/memory.stat", stat(12 * MIB, 0, 0, 0, 0));
        mounts.write("a/b/memory.max", format!("{}", 64 * MIB));
        mounts.write("a/b/memory.swap.max", "0");
        mounts.write("a/b/memory.stat", stat(MIB, 0, 0, 0, 0));
        mounts.write("a/b/c/memory.max", "max\n");
        mounts.write("a/b/c/memory.stat", stat(MIB, 0, 0, 0, 0));
        assert_eq!(mounts.room("0::/a/b/c"), Some((4 * MIB, 16 * MIB)));
        assert_eq!(mounts.room("0::/nowhere"), None);
    }

    #[test]
    fn groups_of_version_1_are_read_too() {
        let mounts = Mounts::new("legacy");
        mounts.write("memory/x/memory.limit_in_bytes", format!("{}", 8 * MIB));
        mounts.write(
            "memory/x/memory.memsw.limit_in_bytes",
            format!("{}", 8 * MIB),
        );
        mounts.write(
            "memory/x/memory.stat",
            format!(
                "total_rss {}\ntotal_shmem {}\ntotal_cache {}\n",
                MIB,
                MIB,
                6 * MIB
            ),
        );
        assert_eq!(
            mounts.room("4:memory:/x\n3:cpu:/\n0::/\n"),
            Some((6 * MIB, 8 * MIB))
        );
        // No limit.
        mounts.write("memory/x/memory.limit_in_bytes", "9223372036854771712");
        assert_eq!(mounts.room("4:memory:/x\n"), None);
    }
}
