//! Dumps of segments that are in use, and segments made of them.

use std::fs::{self, File};
use std::io;

use shm_core::dynamic::{DynSegment, SyncState};
use shm_core::sync::{Barrier, Broadcast, Event, LockError, Mutex, Ring, Semaphore, SeqLock};
use shm_core::{SegmentInfo, ShmLayout, ShmStr, ShmVec};
use shm_tests::Names;

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
struct Sample {
    at: u64,
    xyz: [f32; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(u8)]
enum Mode {
    Slow = 3,
    Fast = 9,
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Plant {
    mode: Mode,
    wide: u128,
    name: ShmStr<12>,
    log: ShmVec<u16, 5>,
    newest: SeqLock<Sample, 3>,
    account: Mutex<[u64; 2]>,
    idle: Mutex<u8>,
    jobs: Ring<Sample, 4>,
    ticks: Broadcast<u32, 4>,
    changed: Event,
    permits: Semaphore,
    start: Barrier<2>,
    nested: [Mutex<SeqLock<u8>>; 2],
    history: [Sample; 3],
    rest: [u16],
}

fn sample(at: u64) -> Sample {
    Sample {
        at,
        xyz: [0.5, at as f32],
    }
}

/// A segment in use: held locks, claimed ends, messages.
fn check_image_of(dumped: impl FnOnce(&DynSegment, &str) -> DynSegment) {
    let names = Names::new("dyn-restore");
    let (name, copy) = (names.name("plant"), names.name("copy"));
    let options = Plant::options().len(3);
    let shm = options
        .create_with(&name, |plant| plant.mode.set(Mode::Fast))
        .unwrap();
    shm.wide.set(u128::MAX - 5);
    shm.name.set("boiler").unwrap();
    shm.log.extend([1, 2, 3]).unwrap();
    for at in 1..=4 {
        shm.newest.store(sample(at)).unwrap();
    }
    shm.nested[1].lock().unwrap().store(77).unwrap();
    shm.history[2].store(sample(9));
    shm.rest.write_from(&[5, 6, 7]);
    shm.permits.post_many(3).unwrap();
    shm.changed.notify_all();
    shm.changed.notify_one();
    let (mut sender, mut receiver) = (shm.jobs.sender().unwrap(), shm.jobs.receiver().unwrap());
    for at in 0..5 {
        sender.send(sample(at)).unwrap();
        if at < 3 {
            receiver.recv().unwrap();
        }
    }
    let mut ticks = shm.ticks.sender().unwrap();
    for tick in 0..6 {
        ticks.send(tick).unwrap();
    }
    let _seat = shm.start.join().unwrap();
    let guard = shm.account.lock().unwrap();
    guard[1].set(8);
    let _writer = shm.newest.write().unwrap();

    let source = DynSegment::attach_read_only(&name).unwrap();
    let image = dumped(&source, &name);
    let values = image.at(".").unwrap().get().unwrap();
    let restored = DynSegment::options().restore(&copy, &image).unwrap();
    assert_eq!(
        restored.at("history").unwrap().get().unwrap(),
        source.at("history").unwrap().get().unwrap()
    );
    assert_eq!(values.field("name"), Some(&"boiler".into()));

    let other = Plant::attach(&copy).unwrap();
    assert_eq!(other.mode.try_get().unwrap(), Mode::Fast);
    assert_eq!(other.wide.get(), u128::MAX - 5);
    assert_eq!(other.log.to_vec(), [1, 2, 3]);
    assert_eq!(other.newest.read_versioned().unwrap(), (4, sample(4)));
    other.newest.store(sample(5)).unwrap();
    assert_eq!(other.newest.read().unwrap(), sample(5));
    match other.account.try_lock() {
        Err(LockError::OwnerDied(mut guard)) => {
            assert_eq!(guard[1].get(), 8);
            guard.mark_consistent();
        }
        other => panic!("{other:?}"),
    }
    assert!(other.idle.lock().is_ok());
    assert_eq!(other.nested[1].lock().unwrap().read().unwrap(), 77);
    assert_eq!(other.rest.to_vec(), [5, 6, 7]);
    assert_eq!(other.permits.value(), 3);
    assert_eq!(other.changed.generation(), shm.changed.generation());
    let mut jobs = other.jobs.receiver().unwrap();
    assert_eq!(jobs.try_recv().unwrap(), sample(3));
    assert_eq!(jobs.try_recv().unwrap(), sample(4));
    let mut sending = other.jobs.sender().unwrap();
    sending.send(sample(5)).unwrap();
    assert_eq!(jobs.recv().unwrap(), sample(5));
    assert_eq!(
        restored.at("ticks").unwrap().messages().unwrap(),
        Some(2..6)
    );
    other.ticks.sender().unwrap().send(6).unwrap();
    let SyncState::BarrierState { seats, .. } =
        restored.at("start").unwrap().sync_state().unwrap().unwrap()
    else {
        panic!("not a barrier");
    };
    assert_eq!(seats, [None, None]);
    assert_eq!(
        SegmentInfo::of(&copy).unwrap().file_len,
        SegmentInfo::of(&name).unwrap().file_len
    );
    // The source is as it was.
    drop(guard);
    assert_eq!(receiver.recv().unwrap(), sample(3));
}

#[test]
fn a_segment_is_restored_from_a_dump_of_one_in_use() {
    check_image_of(|source, name| {
        let path = std::env::temp_dir().join(&name[1..]);
        source.dump(File::create(&path).unwrap()).unwrap();
        let dump = DynSegment::open(&path).unwrap();
        fs::remove_file(path).unwrap();
        dump
    });
}

#[test]
fn a_segment_is_restored_from_a_copied_file() {
    check_image_of(|_, name| {
        let path = std::env::temp_dir().join(&name[1..]);
        fs::copy(Names::path(name), &path).unwrap();
        let dump = DynSegment::open(&path).unwrap();
        fs::remove_file(path).unwrap();
        dump
    });
}

#[test]
fn a_segment_is_copied_while_it_is_in_use() {
    check_image_of(|source, _| source.clone());
}

#[test]
fn a_dump_of_a_dump_is_the_same() {
    let names = Names::new("dyn-dump-twice");
    let name = names.name("plant");
    let shm = Plant::options()
        .len(1)
        .create_with(&name, |plant| plant.mode.set(Mode::Slow))
        .unwrap();
    shm.newest.store(sample(3)).unwrap();
    let mut first = Vec::new();
    DynSegment::attach_read_only(&name)
        .unwrap()
        .dump(&mut first)
        .unwrap();
    assert_eq!(first.len() as u64, SegmentInfo::of(&name).unwrap().file_len);
    let path = std::env::temp_dir().join(&name[1..]);
    fs::write(&path, &first).unwrap();
    let mut second = Vec::new();
    DynSegment::open(&path).unwrap().dump(&mut second).unwrap();
    fs::remove_file(path).unwrap();
    assert!(first == second);
}

#[test]
fn a_dump_keeps_levels_and_room() {
    #[derive(ShmLayout)]
    #[repr(C)]
    #[shm(room = 9000)]
    struct Grown {
        first: u64,
        #[shm(since = 1)]
        second: u32,
        #[shm(since = 1)]
        third: u32,
    }
    let names = Names::new("dyn-dump-levels");
    let (name, copy) = (names.name("grown"), names.name("copy"));
    let shm = Grown::create(&name).unwrap();
    shm.second.set(4);
    let path = std::env::temp_dir().join(&name[1..]);
    let source = DynSegment::attach_read_only(&name).unwrap();
    source.dump(File::create(&path).unwrap()).unwrap();
    let mut original = fs::read(Names::path(&name)).unwrap();
    let dump = fs::read(&path).unwrap();
    assert!(dump == original);
    let restored = DynSegment::options().restore(&copy, &DynSegment::open(&path).unwrap());
    fs::remove_file(path).unwrap();
    let _restored = restored.unwrap();
    assert_eq!(Grown::attach(&copy).unwrap().second.get(), 4);
    // But for the time, and what depends on it.
    let mut copied = fs::read(Names::path(&copy)).unwrap();
    for bytes in [&mut original, &mut copied] {
        bytes[96..128].fill(0);
    }
    assert!(copied == original);
}

/// Reading a hole through the mapping would allocate its memory.
#[test]
fn dumping_and_restoring_keep_the_holes_of_a_sparse_segment() {
    const NUMBERS: usize = 4 << 20;
    let names = Names::new("dyn-dump-sparse");
    let (name, copy) = (names.name("numbers"), names.name("copy"));
    let options = <[u64; NUMBERS]>::options().sparse(true);
    let shm = options.create(&name).unwrap();
    shm[NUMBERS / 2].set(7);
    let allocated = |name: &str| SegmentInfo::of(name).unwrap().allocated;
    let before = allocated(&name);

    let source = DynSegment::attach_read_only(&name).unwrap();
    source.dump(io::sink()).unwrap();
    let options = DynSegment::options().sparse(true);
    let restored = options.restore(&copy, &source).unwrap();
    assert_eq!(allocated(&name), before);
    assert!(
        allocated(&copy) <= before + (64 << 10),
        "{}",
        allocated(&copy)
    );
    assert!(before < 1 << 20, "{before}");
    let path = format!("[{}]", NUMBERS / 2);
    assert_eq!(restored.at(&path).unwrap().get().unwrap().as_int(), Some(7));
}

#[test]
fn a_dump_that_cannot_be_written_is_an_error() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let names = Names::new("dyn-dump-full");
    let name = names.name("word");
    let _shm = u64::create(&name).unwrap();
    let error = DynSegment::attach_read_only(&name)
        .unwrap()
        .dump(Full)
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}

/// A file that counts the bytes that are written to it.
#[derive(Default)]
struct Counted {
    written: usize,
    at: u64,
    end: u64,
}

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written += bytes.len();
        self.at += bytes.len() as u64;
        self.end = self.end.max(self.at);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl io::Seek for Counted {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let io::SeekFrom::Current(by) = to else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        self.at = self.at.checked_add_signed(by).unwrap();
        Ok(self.at)
    }
}

#[test]
fn a_sparse_dump_writes_no_more_than_the_segment_has() {
    /// It is not copied as it is, because of the byte that belongs to no field.
    #[derive(ShmLayout)]
    #[repr(C)]
    #[shm(padding)]
    struct Odd {
        number: u16,
        byte: u8,
    }
    #[derive(ShmLayout)]
    #[repr(C)]
    #[shm(padding)]
    struct Large {
        locks: [SeqLock<u32>; 1 << 13],
        odd: [Odd; 1 << 21],
        numbers: [[u64; 1 << 18]; 2],
        last: u8,
    }
    const MOST: usize = 100_000;

    let names = Names::new("dyn-dump-sought");
    let name = names.name("large");
    let shm = Large::options().sparse(true).create(&name).unwrap();
    shm.odd[1 << 20].byte.set(5);
    shm.locks[77].store(6).unwrap();
    let source = DynSegment::attach_read_only(&name).unwrap();
    let path = std::env::temp_dir().join(&name[1..]);
    source.dump_sparse(File::create(&path).unwrap()).unwrap();
    let dump = DynSegment::open(&path);
    let same = fs::read(&path).unwrap();
    fs::remove_file(path).unwrap();
    let dump = dump.unwrap();
    for from in [&source, &dump] {
        let mut to = Counted::default();
        from.dump_sparse(&mut to).unwrap();
        assert!(to.written < MOST, "{}", to.written);
        assert_eq!(to.end, SegmentInfo::of(&name).unwrap().file_len);
        let mut whole = Vec::new();
        from.dump(&mut whole).unwrap();
        assert!(whole == same);
    }
    let value = |path: &str| dump.at(path).unwrap().get().unwrap().as_int();
    assert_eq!(value("odd[1048576].byte"), Some(5));
    assert_eq!((value("locks[77]"), value("last")), (Some(6), Some(0)));
}
