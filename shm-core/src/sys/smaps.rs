//! What the kernel tells about the mappings of this process.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::Range;

use super::{SysResult, retry_io};

/// Bytes of the addresses in `range` that the kernel maps by huge pages of shared memory at present.
#[doc(alias = "ShmemPmdMapped")]
pub(crate) fn huge_bytes(range: &Range<usize>) -> SysResult<usize> {
    retry_io("read(/proc/self/smaps)", || {
        huge_bytes_in(BufReader::new(File::open("/proc/self/smaps")?), range)
    })
}

/// [`huge_bytes`] for a given `/proc/self/smaps`. A mapping that reaches beyond the range counts whole.
fn huge_bytes_in(smaps: impl BufRead, range: &Range<usize>) -> std::io::Result<usize> {
    let (mut inside, mut bytes) = (false, 0);
    for line in smaps.lines() {
        let line = line?;
        let mut words = line.split_ascii_whitespace();
        let Some(key) = words.next() else { continue };
        if let Some((start, end)) = addresses(key) {
            inside = start < range.end && range.start < end;
        } else if inside && key == "ShmemPmdMapped:" {
            let kibibytes: usize = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
            bytes += kibibytes << 10;
        }
    }
    Ok(bytes)
}

/// The first word of a mapping's own line: `7f144fbbf000-7f144fbc0000`.
fn addresses(word: &str) -> Option<(usize, usize)> {
    let (start, end) = word.split_once('-')?;
    let parse = |digits| usize::from_str_radix(digits, 16).ok();
    Some((parse(start)?, parse(end)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
55d0c0000000-55d0c0400000 rw-s 00000000 00:1b 7   /dev/shm/other
Rss:                4096 kB
ShmemPmdMapped:     4096 kB
7f0000000000-7f0000600000 rw-s 00000000 00:1b 8   /dev/shm/#8 (deleted)
Size:               6144 kB
ShmemPmdMapped:     2048 kB
FilePmdMapped:         0 kB
VmFlags: rd wr sh mr mw me ms sd hg
7f0000600000-7f0000601000 r--p 00000000 00:00 0   [vvar]
ShmemPmdMapped:        0 kB
";

    #[test]
    fn only_the_mapping_itself_counts() {
        let count = |range| huge_bytes_in(SMAPS.as_bytes(), &range).unwrap();
        assert_eq!(count(0x7f00_0000_0000..0x7f00_0060_0000), 2 << 20);
        assert_eq!(count(0x55d0_c000_0000..0x55d0_c040_0000), 4 << 20);
        assert_eq!(count(0x7f00_0060_0000..0x7f00_0060_1000), 0);
        assert_eq!(count(0x1000..0x2000), 0);
    }
}
