//! `#[shm(padding)]`: bytes that belong to no field, and that nothing reads or writes.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU16, Ordering};

use shm_core::layout::{LayoutKind, TypeLayout};
use shm_core::sync::{Event, Mutex, Ring, Semaphore, SeqLock};
use shm_core::{ShmLayout, ShmOffset, ShmStr, ShmVec};

const WORKERS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
struct Job {
    id: u64,
    size: u32,
    done: bool,
    kind: [u8; 3],
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Part<T> {
    on: bool,
    value: T,
    mode: u8,
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Board {
    running: u8,
    hits: [u32; WORKERS],
    name: ShmStr<5>,
    lock: Mutex<Part<u64>>,
    stop: u16,
    jobs: Ring<Job, 4>,
    last: Job,
    event: Event,
    latest: SeqLock<Job>,
    beats: AtomicU16,
    permits: Semaphore,
    log: ShmVec<Job, 3>,
    link: ShmOffset<Part<u32>>,
    parts: [Part<u32>; 2],
    end: u8,
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Tail {
    head: u8,
    boards: [Board; 1],
    mark: u8,
    tail: [Part<u16>],
}

/// Marks the bytes of each leaf of a value at `at`.
fn mark(layout: &TypeLayout, at: usize, tail: usize, leaves: &mut [bool]) {
    match layout.kind() {
        LayoutKind::Struct { fields, .. } => {
            for field in fields {
                mark(field.layout(), at + field.offset(), tail, leaves);
            }
        }
        LayoutKind::Array { element, len, .. } => {
            for number in 0..len {
                mark(element, at + number * element.size(), 0, leaves);
            }
        }
        LayoutKind::Slice { element, .. } => {
            for number in 0..tail {
                mark(element, at + number * element.size(), 0, leaves);
            }
        }
        LayoutKind::Meaning { inner, .. } => mark(inner, at, tail, leaves),
        _ => leaves[at..at + layout.size()].fill(true),
    }
}

fn bytes(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; file.metadata().expect("it is a file").len() as usize];
    file.read_exact_at(&mut bytes, 0).expect("it can be read");
    bytes
}

const SECRET: u8 = 0xA5;

/// Writes every field in every way.
fn use_all(board: &<Board as ShmLayout>::View<shm_core::ReadWrite>) {
    let job = Job {
        id: u64::MAX,
        size: u32::MAX,
        done: true,
        kind: [0xFF; 3],
    };
    board.running.set(0xFF);
    board.hits.write_from(&[u32::MAX; WORKERS]);
    board.hits.fill(7);
    board.hits.store([8; WORKERS]);
    board.name.set("hello").unwrap();
    {
        let part = board.lock.lock().unwrap();
        part.on.set(true);
        part.value.set(u64::MAX);
        part.mode.set(0xFF);
    }
    board.stop.set(0xFFFF);
    {
        let mut sender = board.jobs.sender().unwrap();
        let mut receiver = board.jobs.receiver().unwrap();
        for _ in 0..6 {
            sender.send(job).unwrap();
            sender.send_slice(&[job, job]).unwrap();
            assert_eq!(receiver.recv().unwrap(), job);
            assert_eq!(receiver.recv().unwrap(), job);
            assert_eq!(receiver.recv().unwrap(), job);
        }
    }
    board.last.store(job);
    assert_eq!(board.last.load(), job);
    board.event.notify_all();
    for _ in 0..5 {
        let mut guard = board.latest.write().unwrap();
        *guard = job;
        guard.commit().unwrap();
    }
    board.beats.fetch_add(9, Ordering::Relaxed);
    board.permits.post().unwrap();
    board.log.extend_from_slice(&[job, job]).unwrap();
    board.log.push(job).unwrap();
    for part in &board.parts {
        part.on.set(true);
        part.value.set(u32::MAX);
        part.mode.set(0xFF);
    }
    board.end.set(0xFF);
}

/// Fills all gaps of a new segment with [`SECRET`], runs `work`, and checks the gaps.
fn gaps_stay_as_they_are<T: ShmLayout + ?Sized>(
    name: &str,
    tail: usize,
    payload: std::ops::Range<usize>,
    work: impl FnOnce(),
) {
    let path = format!("/dev/shm{name}");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .expect("the segment is there");
    let mut leaves = vec![false; payload.len()];
    mark(T::LAYOUT, 0, tail, &mut leaves);
    let gaps = || (0..leaves.len()).filter(|at| !leaves[*at]);
    assert!(gaps().count() > 30, "the struct has gaps");
    for at in gaps() {
        file.write_all_at(&[SECRET], (payload.start + at) as u64)
            .expect("it can be written");
    }
    work();
    let after = &bytes(&file)[payload];
    for at in gaps() {
        assert_eq!(after[at], SECRET, "byte {at} of the payload is in a gap");
    }
    assert!(
        (0..leaves.len()).any(|at| leaves[at] && after[at] != 0),
        "the fields were written"
    );
}

/// The range of the payload in a segment's file.
fn payload(name: &str) -> std::ops::Range<usize> {
    let file = File::open(format!("/dev/shm{name}")).expect("the segment is there");
    let bytes = bytes(&file);
    let number = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
    number(40)..number(40) + number(48)
}

#[test]
fn nothing_writes_a_gap() {
    let name = format!("/shm-tests-gaps-{}", std::process::id());
    let shm = Board::create(&name).unwrap();
    let offset = shm.offset_of(&shm.parts[1]);
    gaps_stay_as_they_are::<Board>(&name, 0, payload(&name), || {
        use_all(&shm);
        shm.link.set(offset);
        assert_eq!(shm.resolve(shm.link.get()).unwrap().value.get(), u32::MAX);
        shm.validate().unwrap();
        let text = format!("{shm:?}");
        assert!(
            text.contains("parts: [Part { on: true, value: 4294967295, mode: 255 }"),
            "{text}"
        );
        // What another handle reads is the same.
        let other = Board::attach_read_only(&name).unwrap();
        assert_eq!(other.log.to_vec().len(), 3);
        assert_eq!(other.latest.version(), 5);
    });
}

#[test]
fn nothing_writes_a_gap_in_front_of_a_slice_or_in_its_elements() {
    let name = format!("/shm-tests-gaps-tail-{}", std::process::id());
    let shm = Tail::create_with_len(&name, 5).unwrap();
    gaps_stay_as_they_are::<Tail>(&name, 5, payload(&name), || {
        use_all(&shm.boards[0]);
        shm.mark.set(1);
        for part in &shm.tail {
            part.value.set(0xFFFF);
            part.on.set(true);
        }
        assert_eq!(shm.tail[4].value.get(), 0xFFFF);
        shm.validate().unwrap();
    });
}

/// With the gaps of [`Part<u32>`] as fields.
#[derive(ShmLayout)]
#[repr(C)]
struct Filled {
    on: bool,
    _pad: [u8; 3],
    value: u32,
    mode: u8,
    _pad1: [u8; 3],
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct NoGaps {
    on: u32,
    value: u32,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Plain {
    on: u32,
    value: u32,
}

#[test]
fn gaps_are_not_fields_and_shm_padding_changes_no_layout() {
    let name = format!("/shm-tests-gaps-differ-{}", std::process::id());
    let _shm = Part::<u32>::create(&name).unwrap();
    let error = Filled::attach(&name).unwrap_err().to_string();
    assert!(error.contains("`_pad`"), "{error}");

    assert_eq!(NoGaps::FINGERPRINT, Plain::FINGERPRINT);
    assert_eq!(size_of::<Part<u32>>(), Part::<u32>::SIZE);
}
