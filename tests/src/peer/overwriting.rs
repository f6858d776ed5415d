//! A process that writes random bytes all over a segment, and one that uses the segment meanwhile.

use std::fs::File;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::atomic::{AtomicU8, AtomicU64};

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use shm_core::{ReadOnly, Shm, ShmError, ShmLayout};

use super::loops::until;
use super::{Answer, Words, other};
use crate::Random;
use crate::hostile::{Everything, read_everything, read_only_everything, write_everything};
use crate::names::Names;
use crate::segments::Stats;

/// Length of the header.
const HEADER: usize = 256;

/// `scribble NAME STATS`: writes random bytes over the whole file, header included, until `stop` is set.
pub(super) fn scribble(words: &mut Words<'_>) -> Answer {
    let name = words.next()?;
    let stats = Stats::attach(words.next()?)?;
    let file = File::options()
        .read(true)
        .write(true)
        .open(Names::path(name))
        .map_err(other)?;
    let len = file.metadata().map_err(other)?.len() as usize;
    let size = NonZeroUsize::new(len).ok_or_else(|| other("it is empty"))?;
    let both = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: the kernel chooses a free address, so no memory that is in use changes.
    let start = unsafe { mmap(None, size, both, MapFlags::MAP_SHARED, &file, 0) }.map_err(other)?;
    let base = start.as_ptr().cast::<u8>();
    let mut random = Random::new(u64::from(std::process::id()));
    let mut header = vec![0; HEADER.min(len)];
    file.read_exact_at(&mut header, 0).map_err(other)?;
    println!("scribbling");
    let mut rounds = 0u64;
    let result = until(|| {
        for _ in 0..512 {
            if random.below(64) == 0 {
                // Sometimes the header is valid again, so that others attach before it changes under them.
                let _ = file.write_all_at(&header, 0);
            }
            let at = random.below(len);
            // SAFETY: `at` is inside the mapping.
            let place = unsafe { base.add(at) };
            match random.below(3) {
                0 => {
                    // SAFETY: the byte is mapped, and this process only accesses it atomically.
                    let byte = unsafe { AtomicU8::from_ptr(place) };
                    byte.store(random.word() as u8, Relaxed);
                }
                // Of another width than the field there.
                _ => {
                    let even = at & !7;
                    // SAFETY: `even` is at most `at`, and the length is a multiple of the page.
                    let place = unsafe { base.add(even) };
                    // SAFETY: the eight bytes are mapped, aligned, and this process only accesses them atomically.
                    let word = unsafe { AtomicU64::from_ptr(place.cast()) };
                    word.store(random.word(), Relaxed);
                }
            }
        }
        rounds += 1;
        stats.created.fetch_add(1, Relaxed);
        stats.stop.load(Acquire) != 0
    });
    // SAFETY: this function made the mapping, and nothing points into it any more.
    unsafe { munmap(start, len) }.map_err(other)?;
    result?;
    Ok(rounds.to_string())
}

/// What the using process saw.
#[derive(Default)]
struct Met {
    valid: u64,
    invalid: u64,
    attached: u64,
    refused: u64,
}

impl Met {
    fn note(&mut self, sound: bool) {
        *(if sound {
            &mut self.valid
        } else {
            &mut self.invalid
        }) += 1;
    }
}

/// `use-all NAME STATS ROUNDS`: uses every cell of the segment, in every way, while another process overwrites it.
pub(super) fn endure(words: &mut Words<'_>) -> Answer {
    let name = words.next()?;
    let stats = Stats::attach_read_only(words.next()?)?;
    let rounds: u64 = words.number()?;
    let shm = Everything::attach(name)?;
    let reader = Everything::attach_read_only(name)?;
    let (len, tail) = (shm.mapped_len(), shm.tail.len());
    println!("using");
    let (mut met, mut round) = (Met::default(), 0u64);
    // Whole rounds of the other process, so that each of them can hit every byte.
    let scribbled = stats.created.load(Acquire);
    until(|| {
        for _ in 0..100 {
            round += 1;
            met.note(read_everything(&shm).is_ok());
            met.note(read_only_everything(&reader).is_ok());
            write_everything(&shm, round as u32);
        }
        // Lengths measured at attach stay valid, whatever the header says now.
        let same = (shm.mapped_len(), shm.tail.len()) == (len, tail)
            && reader.tail.len() == tail
            && shm.is_current();
        assert!(same, "the handle has changed");
        attach(name, &mut met);
        round >= rounds && stats.created.load(Acquire) >= scribbled + rounds
    })?;
    Ok(format!(
        "{round} {} {} {} {}",
        met.valid, met.invalid, met.attached, met.refused
    ))
}

/// Others attach while the header is being overwritten; if they succeed, all they use is inside.
fn attach(name: &str, met: &mut Met) {
    let attached: Result<Shm<Everything, ReadOnly>, ShmError> = Everything::attach_read_only(name);
    match attached {
        Ok(shm) => {
            met.attached += 1;
            let _ = read_only_everything(&shm);
        }
        Err(_) => met.refused += 1,
    }
    // Two handles are attached, so whatever its header says, it is never orphaned and never replaced.
    assert!(Everything::create_with_len(name, 1).is_err());
    assert!(Everything::open_or_create_with_len(name, 1).is_err());
    // The file may change while it is listed.
    for info in shm_core::list().into_iter().flatten().flatten() {
        assert!(info.name != name || info.owner == nix::unistd::geteuid().as_raw());
    }
}
