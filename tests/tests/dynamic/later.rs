//! Segments with types of a later format: this version reads their bytes, and nothing else of them.

use std::fs;

use shm_core::dynamic::{DynError, DynSchema, DynSegment, DynValue};
use shm_core::layout::LayoutKind;
use shm_core::sync::{Broadcast, Mutex, Ring, SeqLock};
use shm_core::{Shm, ShmError, ShmLayout, ShmVec};
use shm_tests::Names;
use shm_tests::hostile::forge_later;

/// Becomes a type of a later format wherever it is.
type Future = [u64; 2];

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Pose {
    x: u64,
    later: Future,
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Rover {
    first: u32,
    later: Future,
    rows: [[Future; 2]; 3],
    pose: SeqLock<Pose>,
    lock: Mutex<Pose>,
    alone: Mutex<Future>,
    jobs: Ring<Pose, 4>,
    news: Broadcast<Future, 4>,
    log: ShmVec<Future, 3>,
    last: u64,
    tail: [Future],
}

fn pose(x: u64) -> Pose {
    Pose {
        x,
        later: [x + 1, x + 2],
    }
}

/// A segment whose schema was forged, the handle of the program that knows the type.
fn rover(name: &str) -> Shm<Rover> {
    let shm = Rover::create_with_len(name, 2).unwrap();
    forge(name, 9);
    shm.first.set(7);
    shm.later.write_from(&[1, 0xff00]);
    shm.rows[1][1].write_from(&[2, 3]);
    shm.pose.store(pose(10)).unwrap();
    shm.lock.lock().unwrap().store(pose(20));
    shm.alone.lock().unwrap().write_from(&[24, 25]);
    let mut jobs = shm.jobs.sender().unwrap();
    jobs.send(pose(30)).unwrap();
    jobs.send(pose(40)).unwrap();
    shm.news.sender().unwrap().send([50, 51]).unwrap();
    shm.log.extend([[60, 61], [62, 63]]).unwrap();
    shm.last.set(8);
    shm.tail[1].write_from(&[70, 71]);
    drop(jobs);
    shm
}

/// Gives each [`Future`] in the file of a segment another tag.
fn forge(name: &str, count: usize) {
    let mut file = fs::read(Names::path(name)).unwrap();
    assert_eq!(forge_later(&mut file, 2, 16, 8), count);
    fs::write(Names::path(name), file).unwrap();
}

fn get(segment: &DynSegment, path: &str) -> DynValue {
    segment.at(path).unwrap().get().unwrap()
}

/// What is read of a [`Future`].
fn bytes(words: [u64; 2]) -> DynValue {
    DynValue::Bytes(words.map(u64::to_ne_bytes).concat())
}

fn check_values(segment: &DynSegment) {
    for (path, words) in [
        ("later", [1, 0xff00]),
        ("rows[1][1]", [2, 3]),
        ("pose.later", [11, 12]),
        ("lock.later", [21, 22]),
        ("alone", [24, 25]),
        ("jobs[#1].later", [41, 42]),
        ("news[#0]", [50, 51]),
        ("log[1]", [62, 63]),
        ("tail[1]", [70, 71]),
    ] {
        assert_eq!(get(segment, path), bytes(words), "{path}");
        let part = segment.at(path).unwrap();
        assert_eq!(part.len().unwrap(), None, "{path}");
        assert!(part.field_names().is_empty(), "{path}");
    }
    for (path, value) in [
        ("first", "7"),
        ("last", "8"),
        ("pose.x", "10"),
        ("lock.x", "20"),
        ("jobs[#0].x", "30"),
    ] {
        assert_eq!(get(segment, path).to_string(), value, "{path}");
    }
    let whole = get(segment, ".");
    assert_eq!(whole.field("later"), Some(&bytes([1, 0xff00])));
    assert_eq!(
        get(segment, "log").as_list(),
        Some(&[bytes([60, 61]), bytes([62, 63])][..])
    );
    let text = whole.to_string();
    assert!(
        text.contains(r#"later: b"\x01\x00"#) || cfg!(target_endian = "big"),
        "{text}"
    );
    assert_eq!(text.parse::<DynValue>().unwrap().to_string(), text);
}

#[test]
fn types_of_a_later_format_are_read_as_bytes() {
    let names = Names::new("dyn-later");
    let name = names.name("rover");
    let shm = rover(&name);
    let segment = DynSegment::attach_read_only(&name).unwrap();
    check_values(&segment);
    let layout = segment.at("later").unwrap().layout();
    assert_eq!((layout.size(), layout.align()), (16, 8));
    assert!(matches!(
        layout.kind(),
        LayoutKind::Unknown { tag: 200, .. }
    ));
    assert_eq!(segment.layout().fingerprint(), Rover::FINGERPRINT);
    let around = segment.at("rows").unwrap().layout();
    assert_eq!((layout.fingerprint(), around.fingerprint()), (0, 0));
    // The layout and the schema in the segment are the same.
    let schema = DynSchema::of_segment(&name).unwrap();
    assert_eq!(segment.layout().to_string(), schema.to_string());
    let again = DynSchema::of_layout(segment.layout()).unwrap();
    assert_eq!(again.to_bytes(), schema.to_bytes());
    assert_eq!(again.fingerprint(), schema.fingerprint());
    drop(shm);
}

#[test]
fn types_of_a_later_format_are_not_set_and_others_are() {
    let names = Names::new("dyn-later-set");
    let name = names.name("rover");
    let shm = rover(&name);
    let segment = DynSegment::attach(&name).unwrap();
    let set = |path: &str, value: &str| segment.at(path).unwrap().set(&value.parse().unwrap());
    for (path, value, part) in [
        ("later", r#"b"0123456789abcdef""#, "later"),
        (".", r#"{first: 1, later: b""}"#, "later"),
        ("rows", r"[[1, 2], [1, 2], [1, 2]]", "rows[0][0]"),
        ("lock", r#"{x: 1, later: b""}"#, "lock.later"),
        ("alone", r#"b"""#, "alone"),
        ("log", r#"[b"0123456789abcdef"]"#, "log[0]"),
        ("tail[0]", "[1, 2]", "tail[0]"),
    ] {
        let error = set(path, value).unwrap_err();
        assert!(
            matches!(&error, DynError::NotSettable { path, .. } if path == part),
            "{error}"
        );
        assert!(
            error
                .to_string()
                .contains("a type of a later format, which this version does not know"),
            "{error}"
        );
    }
    // A commit would have to write the bytes as well.
    for (path, value) in [("pose", "{x: 1}"), ("pose.x", "1")] {
        let error = set(path, value).unwrap_err();
        assert!(matches!(error, DynError::NotSettable { .. }), "{error}");
        assert!(
            error
                .to_string()
                .contains("a commit writes the whole value"),
            "{error}"
        );
    }
    check_values(&segment);
    set("first", "17").unwrap();
    set("lock.x", "18").unwrap();
    set(".", "{last: 19}").unwrap();
    assert_eq!((shm.first.get(), shm.last.get()), (17, 19));
    let held = shm.lock.lock().unwrap();
    assert_eq!((held.x.get(), held.later.load()), (18, [21, 22]));
}

#[test]
fn a_dump_has_the_bytes_of_types_of_a_later_format() {
    let names = Names::new("dyn-later-dump");
    let name = names.name("rover");
    let shm = rover(&name);
    let path = std::env::temp_dir().join(&name[1..]);
    let segment = DynSegment::attach_read_only(&name).unwrap();
    let mut written = Vec::new();
    segment.dump(&mut written).unwrap();
    fs::write(&path, &written).unwrap();
    let dump = DynSegment::open(&path).unwrap();
    check_values(&dump);
    assert!(std::ptr::eq(dump.layout(), segment.layout()));
    // A dump of a dump is the same file.
    let mut again = Vec::new();
    dump.dump(&mut again).unwrap();
    assert_eq!(again, written);
    fs::remove_file(path).unwrap();
    drop(shm);
}

#[test]
fn no_segment_is_created_with_types_of_a_later_format() {
    let names = Names::new("dyn-later-create");
    let (name, other) = (names.name("rover"), names.name("other"));
    let shm = rover(&name);
    let schema = DynSchema::of_segment(&name).unwrap();
    let segment = DynSegment::attach_read_only(&name).unwrap();
    for refused in [
        DynSegment::create(&other, &schema),
        DynSegment::create(&other, &DynSchema::of_layout(segment.layout()).unwrap()),
        DynSegment::options().restore(&other, &segment),
    ] {
        let error = refused.unwrap_err();
        assert!(
            matches!(error, ShmError::UnsupportedFormat { .. }),
            "{error}"
        );
        let text = error.to_string();
        for part in [
            "`later` is a type of a later format (tag 200)",
            "cannot create segments of the type",
            "use the same version of this library",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
    assert!(!Names::exists(&other));
    drop(shm);
}

#[test]
fn headers_have_room_for_types_of_a_later_format() {
    let names = Names::new("dyn-later-header");
    let name = names.name("rover");
    let shm = rover(&name);
    let segment = DynSegment::attach_read_only(&name).unwrap();
    for (header, member) in [
        (segment.layout().to_c(), "unsigned char later[16];"),
        (segment.layout().to_cpp(), "unsigned char later[16];"),
        (segment.layout().to_c(), "unsigned char rows[3][2][16];"),
    ] {
        let line = header.lines().find(|line| line.contains(member));
        let line = line.unwrap_or_else(|| panic!("{member} in {header}"));
        assert!(line.contains("bytes of a type of a later format"), "{line}");
        assert!(!header.contains("set_later"), "{header}");
    }
    let fingerprint = format!("{:016x}", Rover::FINGERPRINT);
    assert!(segment.layout().to_c().contains(&fingerprint));
    drop(shm);
}

#[test]
fn levels_can_have_types_of_a_later_format() {
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Status {
        beat: u64,
        #[shm(since = 1)]
        heat: u64,
        #[shm(since = 1)]
        later: Future,
        #[shm(since = 2)]
        lock: Mutex<u64>,
    }
    let names = Names::new("dyn-later-levels");
    let name = names.name("status");
    let shm = Status::create(&name).unwrap();
    forge(&name, 1);
    shm.later.write_from(&[5, 6]);
    let segment = DynSegment::attach(&name).unwrap();
    let layout = segment.layout();
    assert_eq!((layout.level(), layout.size()), (2, 48));
    assert_eq!(get(&segment, "later"), bytes([5, 6]));
    segment.at("lock").unwrap().set(&3.into()).unwrap();
    segment.at("heat").unwrap().set(&4.into()).unwrap();
    assert_eq!((shm.heat.get(), shm.lock.lock().unwrap().get()), (4, 3));
    // The records say the fingerprints.
    for level in 0..=2 {
        let fingerprint = Status::LAYOUT.level_fingerprint(level);
        assert_eq!(layout.level_fingerprint(level), fingerprint, "{level}");
    }
    let mut written = Vec::new();
    segment.dump(&mut written).unwrap();
    let path = std::env::temp_dir().join(&name[1..]);
    fs::write(&path, &written).unwrap();
    let schema = DynSchema::of_file(&path).unwrap();
    let of_segment = DynSchema::of_segment(&name).unwrap();
    assert_eq!(schema.to_bytes(), of_segment.to_bytes());
    let dump = DynSegment::open(&path).unwrap();
    assert_eq!(get(&dump, ".").to_string(), get(&segment, ".").to_string());
    fs::remove_file(path).unwrap();
}

#[test]
fn large_types_of_a_later_format_are_dumped_piece_by_piece() {
    const WORDS: usize = 1 << 21;

    #[derive(ShmLayout)]
    #[repr(C)]
    struct Large {
        last: u64,
        later: [u64; WORDS],
    }
    let names = Names::new("dyn-later-large");
    let name = names.name("large");
    let shm = Large::options().sparse(true).create(&name).unwrap();
    let mut file = fs::read(Names::path(&name)).unwrap();
    let size = 8 * WORDS as u64;
    assert_eq!(forge_later(&mut file[..4096], WORDS as u64, size, 8), 1);
    fs::write(Names::path(&name), &file).unwrap();
    shm.later[WORDS - 1].set(9);
    let segment = DynSegment::attach_read_only(&name).unwrap();
    let error = segment.at("later").unwrap().get().unwrap_err();
    assert!(matches!(error, DynError::TooLarge { .. }), "{error}");
    let mut written = Vec::new();
    segment.dump(&mut written).unwrap();
    // The dump is as long as the file, and only the last word was written.
    let changed: Vec<usize> = (0..file.len())
        .filter(|at| file[*at] != written[*at])
        .collect();
    assert_eq!((written.len(), changed.len()), (file.len(), 1));
}

#[test]
fn layouts_are_shared_by_segments_of_one_fingerprint() {
    let names = Names::new("dyn-later-fingerprint");
    let [one, two] = ["one", "two"].map(|part| names.name(part));
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Old {
        later: Future,
    }
    let _one = Old::create(&one).unwrap();
    let _two = Old::create(&two).unwrap();
    forge(&one, 1);
    forge(&two, 1);
    let mut file = fs::read(Names::path(&two)).unwrap();
    file[80] ^= 1;
    let mut forgery = shm_tests::hostile::Forgery::of(file);
    forgery.fix_checksum();
    fs::write(Names::path(&two), forgery.bytes).unwrap();
    let [one, two] = [one, two].map(|name| {
        DynSegment::attach_read_only(&name)
            .unwrap()
            .layout()
            .fingerprint()
    });
    assert_eq!(one, Old::FINGERPRINT);
    assert_ne!(one, two);
}
