//! The processes that are attached to segments.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::stat::{major, minor};
use serde::Serialize;
use shm_core::SegmentInfo;

use crate::output::escaped;

pub(crate) const DIRECTORY: &str = "/dev/shm";

/// A process that is attached to a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// What the process calls itself. `None` if this process does not see it: then the pid may be one of another pid namespace.
    pub(crate) name: Option<String>,
}

/// `4711 sysmon`, without controls for the terminal.
impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} {}", self.pid, escaped(name)),
            None => write!(f, "{}", self.pid),
        }
    }
}

/// The processes that use a segment, in words. It may be in use by processes of which none is known.
pub(crate) fn in_words(processes: &[Process]) -> String {
    let names: Vec<String> = processes
        .iter()
        .map(|process| match &process.name {
            Some(name) => format!("{} ({})", process.pid, escaped(name)),
            None => process.pid.to_string(),
        })
        .collect();
    match names.as_slice() {
        [] => "a process of which /proc shows nothing to this user".to_owned(),
        [name] => format!("process {name}"),
        [names @ .., last] => format!("processes {} and {last}", names.join(", ")),
    }
}

/// What the processes of this system have mapped of a device, as far as /proc shows it to this user: that of its own processes, or
/// of all to root.
#[derive(Debug)]
pub(crate) struct Mappings {
    /// The pid of this process.
    this: u32,
    /// The pids by the number of the file.
    by_file: HashMap<u64, BTreeSet<u32>>,
    names: BTreeMap<u32, String>,
}

impl Default for Mappings {
    fn default() -> Self {
        Self {
            this: std::process::id(),
            by_file: HashMap::new(),
            names: BTreeMap::new(),
        }
    }
}

impl Mappings {
    /// Looks at the segments that all processes have mapped.
    pub(crate) fn of_segments() -> Self {
        let directory = fs::metadata(DIRECTORY);
        directory.map_or_else(|_| Self::default(), |directory| Self::on(directory.dev()))
    }

    /// Looks at all processes. Those that end meanwhile are left out.
    fn on(device: u64) -> Self {
        let mut found = Self::default();
        let Ok(entries) = fs::read_dir("/proc") else {
            return found;
        };
        let mut maps = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            maps.clear();
            let file = fs::File::open(format!("/proc/{pid}/maps"));
            let read = file.and_then(|mut file| file.read_to_end(&mut maps));
            if pid == found.this || read.is_err() {
                continue;
            }
            let mut any = false;
            for file in mapped(&maps, device) {
                any = true;
                found.by_file.entry(file).or_default().insert(pid);
            }
            if any {
                found.names.extend(name_of(pid).map(|name| (pid, name)));
            }
        }
        found
    }

    /// The processes that are attached to a segment, except this one, in the order of their pids: those that /proc shows, and those
    /// that have an id in the segment. There may be more, and none need be known of a segment that is in use.
    pub(crate) fn users(&self, segment: &SegmentInfo) -> Vec<Process> {
        if !segment.contents.as_ref().is_some_and(|of| of.attached) {
            return Vec::new();
        }
        // It may be gone by now.
        let participants = segment
            .participants()
            .map_or(Vec::new(), |found| found.pids);
        self.processes(segment.inode(), participants)
    }

    fn processes(&self, file: u64, others: Vec<u32>) -> Vec<Process> {
        let seen = self.by_file.get(&file);
        let mut pids = seen.cloned().unwrap_or_default();
        pids.extend(others);
        pids.remove(&self.this);
        let processes = pids.into_iter().map(|pid| {
            let is_seen = seen.is_some_and(|pids| pids.contains(&pid));
            let name = self.names.get(&pid).filter(|_| is_seen);
            Process {
                pid,
                name: name.cloned(),
            }
        });
        processes.collect()
    }
}

/// The processes that have mapped the anonymous segment behind `/proc/PID/fd/N`, and the one with that descriptor.
pub(crate) fn users_of_descriptor(path: &Path) -> Vec<Process> {
    let pid = path
        .iter()
        .nth(2)
        .and_then(|pid| pid.to_str()?.parse().ok());
    let Ok(file) = fs::metadata(path) else {
        return Vec::new();
    };
    let mut mappings = Mappings::on(file.dev());
    if let Some(pid) = pid {
        mappings.by_file.entry(file.ino()).or_default().insert(pid);
        mappings.names.extend(name_of(pid).map(|name| (pid, name)));
    }
    mappings.processes(file.ino(), Vec::new())
}

/// What a process calls itself.
fn name_of(pid: u32) -> Option<String> {
    let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(String::from_utf8_lossy(&name).trim_end().to_owned())
}

/// The numbers of the files on this device that are mapped shared, from the lines of `/proc/PID/maps`. The path there is no help:
/// the creator has mapped the file before it had a name.
fn mapped(maps: &[u8], device: u64) -> impl Iterator<Item = u64> {
    let on = format!("{:02x}:{:02x}", major(device), minor(device));
    // `7f5cdc000000-7f5cdc001000 rw-s 00000000 00:17 42     /dev/shm/telemetry`
    maps.split(|byte| *byte == b'\n').filter_map(move |line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let is_shared = fields.nth(1)?.ends_with(b"s");
        if !is_shared || fields.nth(1)? != on.as_bytes() {
            return None;
        }
        std::str::from_utf8(fields.next()?).ok()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_found_among_mappings() {
        let maps = b"\
55f0c0000000-55f0c0001000 r--p 00000000 fd:01 1234567                    /usr/bin/cat
7f5cdc000000-7f5cdc001000 rw-s 00000000 00:17 42                         /dev/shm/telemetry
7f5cdc001000-7f5cdc002000 rw-s 00001000 00:17 43                         /dev/shm/#43 (deleted)
7f5cdc002000-7f5cdc003000 rw-s 00000000 00:18 44                         /dev/shm/in_a_container
7f5cdc003000-7f5cdc004000 r--s 00000000 00:17 45                         /dev/shm/a b\\012c
7f5cdc005000-7f5cdc006000 rw-p 00000000 00:00 0                          [heap]
7f5cdc006000-7f5cdc007000 rw-p 00000000 00:17 46
";
        assert_eq!(mapped(maps, 0x17).collect::<Vec<_>>(), [42, 43, 45]);
    }
}
