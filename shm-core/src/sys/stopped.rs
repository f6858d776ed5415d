//! Whether another process is stopped, for people to read.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use super::file::FileId;

/// The most bytes to read of a process's list of mappings.
const LONGEST_MAPS: u64 = 1 << 20;

/// Whether the process `pid` is stopped by a signal or a debugger, and maps the file. `false` if /proc does not tell.
///
/// The mapping shows that it is the process that was meant: one with the same pid in another pid namespace is not this one.
/// The mappings of a process that runs are not read, since that could wait for its lock on them.
pub(crate) fn is_stopped(pid: u32, file: &FileId) -> bool {
    // The beginning has the state: the pid, and a name of at most 64 bytes.
    let mut start = [0; 128];
    let read = File::open(format!("/proc/{pid}/stat")).and_then(|mut stat| stat.read(&mut start));
    read.is_ok_and(|count| is_stopped_by(&start[..count])) && maps(pid, file)
}

/// The state follows the name of the program, which is in parentheses and may contain any.
fn is_stopped_by(stat: &[u8]) -> bool {
    let name_ends = stat.iter().rposition(|byte| *byte == b')');
    name_ends.is_some_and(|end| matches!(stat[end..], [b')', b' ', b'T' | b't', ..]))
}

fn maps(pid: u32, file: &FileId) -> bool {
    File::open(format!("/proc/{pid}/maps"))
        .is_ok_and(|maps| has_mapping(BufReader::new(maps.take(LONGEST_MAPS)), file))
}

/// Looks for the file in `/proc/PID/maps`: `7f00-7f01 rw-s 00000000 00:1b 7   /dev/shm/name`.
fn has_mapping(maps: impl BufRead, file: &FileId) -> bool {
    let device = format!(
        "{:02x}:{:02x}",
        libc::major(file.device),
        libc::minor(file.device)
    );
    let inode = file.inode.to_string();
    maps.split(b'\n').map_while(Result::ok).any(|line| {
        let mut words = line.split(|byte| *byte == b' ').skip(3);
        words.next() == Some(device.as_bytes()) && words.next() == Some(inode.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_follows_the_name_of_the_program() {
        assert!(is_stopped_by(b"7 (a b) T 1 7 7 0"));
        assert!(is_stopped_by(b"7 (gdb) t) t 1 7 7 0"));
        assert!(!is_stopped_by(b"7 () T () S 1 7 7 0"));
        assert!(!is_stopped_by(b"7 (a)"));
        assert!(!is_stopped_by(b"7"));
    }

    #[test]
    fn a_mapping_is_found_by_device_and_inode() {
        const MAPS: &[u8] = b"\
55d0-55d1 r-xp 00000000 fe:01 77 /usr/bin/\xff
7f00-7f01 ---p 00000000 00:1b 7 /dev/shm/name (deleted)
7f02-7f03 rw-p 00000000 00:00 0 
";
        let found = |device: [u32; 2], inode| {
            let file = FileId {
                device: libc::makedev(device[0], device[1]),
                inode,
                links: 0,
                owner: 0,
                mode: 0,
                len: 0,
                allocated: 0,
            };
            has_mapping(MAPS, &file)
        };
        assert!(found([0, 0x1b], 7) && found([0xfe, 1], 77));
        assert!(!found([0, 0x1b], 77) && !found([0, 0x1c], 7));
    }
}
