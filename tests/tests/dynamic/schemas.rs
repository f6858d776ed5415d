//! The types of segments, without attaching to them.

use std::fs::{self, File};

use shm_core::dynamic::{DynField, DynSchema, DynSegment};
use shm_core::sync::{Mutex, SeqLock};
use shm_core::{SegmentInfo, SegmentState, ShmError, ShmLayout, ShmOffset, ShmStr};
use shm_tests::Names;
use shm_tests::hostile::forge_later;

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Pose {
    xyz: [f32; 3],
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(version = 3, padding)]
struct State {
    flag: bool,
    wide: i128,
    pose: SeqLock<Pose>,
    nodes: [Pose; 4],
    lock: Mutex<[u16; 2]>,
    next: ShmOffset<Pose>,
    name: ShmStr<7>,
    tail: [u64],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Status {
    beat: u64,
    load: f64,
    #[shm(since = 1)]
    heat: u32,
    #[shm(since = 1)]
    fan: u32,
    #[shm(since = 2)]
    lock: Mutex<u64>,
}

#[derive(ShmLayout)]
#[repr(C)]
struct StatusAtFirst {
    beat: u64,
    load: f64,
}

fn row(field: &DynField) -> (usize, &str, usize, usize, &str) {
    let DynField {
        depth,
        name,
        offset,
        size,
        type_name,
        ..
    } = field;
    (*depth, name, *offset, *size, type_name)
}

#[test]
fn a_schema_says_what_the_layout_says() {
    let names = Names::new("dyn-schema");
    let name = names.name("state");
    let shm = State::create_with_len(&name, 5).unwrap();
    let schema = DynSchema::of_segment(&name).unwrap();
    let attached = DynSegment::attach(&name).unwrap();
    assert_eq!(schema.to_string(), attached.layout().to_string());
    assert_eq!(schema.type_name(), "State");
    assert_eq!(schema.version(), 3);
    assert_eq!((schema.size(), schema.align()), (State::SIZE, State::ALIGN));
    assert_eq!(schema.fingerprint(), State::FINGERPRINT);
    assert_eq!(schema.slice_stride(), Some(8));
    // A program's own layout also has the names of the types that offsets lead to.
    let own = DynSchema::of_layout(State::LAYOUT).unwrap();
    assert_eq!(own.to_bytes(), schema.to_bytes());
    assert_eq!(own.first_difference(&schema), None);
    assert_eq!(
        schema.to_string(),
        State::LAYOUT
            .to_string()
            .replace("ShmOffset<Pose>", "ShmOffset")
    );
    drop(shm);
}

#[test]
fn a_schema_is_read_from_names_files_descriptors_and_bytes() {
    let names = Names::new("dyn-schema-of");
    let name = names.name("status");
    let _shm = Status::create(&name).unwrap();
    let schema = DynSchema::of_segment(&name).unwrap();
    let path = Names::path(&name);
    let copy = std::env::temp_dir().join(&name[1..]);
    fs::copy(&path, &copy).unwrap();
    let others = [
        DynSchema::of_file(&copy).unwrap(),
        DynSchema::of_fd(File::open(&path).unwrap()).unwrap(),
        DynSchema::of_fd(Status::create_anonymous().unwrap()).unwrap(),
        DynSchema::of_layout(Status::LAYOUT).unwrap(),
        DynSchema::from_bytes(&schema.to_bytes()).unwrap(),
    ];
    fs::remove_file(&copy).unwrap();
    assert_eq!(schema.level(), 2);
    for other in &others {
        assert_eq!(other.to_string(), schema.to_string());
        assert_eq!(other.to_bytes(), schema.to_bytes());
        for level in 0..=2 {
            let fingerprint = Status::LAYOUT.level_fingerprint(level);
            assert_eq!(other.level_fingerprint(level), Some(fingerprint));
        }
        assert_eq!(other.level_fingerprint(3), None);
        assert_eq!(other.first_difference(&schema), None);
    }
}

#[test]
fn fields_are_the_rows_of_the_table() {
    let fields = DynSchema::of_layout(Status::LAYOUT).unwrap().fields();
    assert_eq!(
        fields.iter().map(row).collect::<Vec<_>>(),
        [
            (0, "beat", 0, 8, "u64"),
            (0, "load", 8, 8, "f64"),
            (0, "heat", 16, 4, "u32"),
            (0, "fan", 20, 4, "u32"),
            (0, "lock", 24, 16, "Mutex<u64>"),
            (1, "claim", 24, 4, "AtomicU32"),
            (1, "", 28, 4, "padding"),
            (1, "value", 32, 8, "u64"),
        ]
    );
    let since: Vec<u32> = fields.iter().map(|field| field.since).collect();
    assert_eq!(since, [0, 0, 1, 1, 2, 0, 0, 0]);
}

#[test]
fn the_first_difference_names_both_sides() {
    let of = |layout| DynSchema::of_layout(layout).unwrap();
    let (old, new) = (of(StatusAtFirst::LAYOUT), of(Status::LAYOUT));
    assert_eq!(
        old.first_difference(&new).unwrap(),
        "field `heat` (u32 at byte 16) is only in the second"
    );
    assert_eq!(
        new.first_difference(&old).unwrap(),
        "field `heat` (u32 at byte 16) is only in the first"
    );
    assert_eq!(
        of(u32::LAYOUT).first_difference(&of(f32::LAYOUT)).unwrap(),
        "the payload is u32 at byte 0 in the first and f32 at byte 0 in the second"
    );
}

#[test]
fn wrong_bytes_are_no_schema() {
    let right = DynSchema::of_layout(Status::LAYOUT).unwrap().to_bytes();
    let of_level_0 = DynSchema::of_layout(StatusAtFirst::LAYOUT).unwrap();
    let of_level_0 = of_level_0.to_bytes().len() - "AtFirst".len();
    assert_eq!(
        DynSchema::from_bytes(&right[..of_level_0]).unwrap().level(),
        0
    );
    for len in (0..right.len()).filter(|len| *len != of_level_0) {
        let error = DynSchema::from_bytes(&right[..len]).unwrap_err();
        assert!(matches!(error, ShmError::Corrupt { .. }), "{len}: {error}");
    }
    for at in 0..right.len() {
        let mut wrong = right.clone();
        wrong[at] ^= 0x41;
        match DynSchema::from_bytes(&wrong) {
            // Names may be any.
            Ok(schema) => assert!(!schema.to_string().is_empty()),
            Err(error) => assert!(!error.to_string().contains("unlink"), "{error}"),
        }
    }
}

#[test]
fn looking_at_a_type_waits_for_no_lock_and_takes_none() {
    let names = Names::new("dyn-schema-lock");
    let name = names.name("status");
    let shm = Status::create(&name).unwrap();
    shm.persist().unwrap();
    drop(shm);
    assert!(!SegmentInfo::of(&name).unwrap().contents.unwrap().attached);
    let schema = DynSchema::of_segment(&name).unwrap();
    assert!(!SegmentInfo::of(&name).unwrap().contents.unwrap().attached);
    drop(schema);
    Status::unlink(&name).unwrap();
}

#[test]
fn one_name_is_examined_as_in_a_list() {
    let names = Names::new("dyn-info");
    let name = names.name("status");
    let error = SegmentInfo::of(&name).unwrap_err();
    assert!(matches!(error, ShmError::NotFound { .. }), "{error}");
    let error = SegmentInfo::of("status").unwrap_err();
    assert!(matches!(error, ShmError::InvalidName { .. }), "{error}");
    let shm = Status::create(&name).unwrap();
    let info = SegmentInfo::of(&name).unwrap();
    assert_eq!(info.state, SegmentState::Live);
    assert_eq!(info.contents.unwrap().type_name.unwrap(), "Status");
    drop(shm);
    fs::write(Names::path(&name), "no segment").unwrap();
    let info = SegmentInfo::of(&name).unwrap();
    assert_eq!(info.state, SegmentState::Foreign);
    let error = DynSchema::of_segment(&name).unwrap_err();
    assert!(matches!(error, ShmError::NotASegment { .. }), "{error}");
    fs::remove_file(Names::path(&name)).unwrap();
}

#[derive(ShmLayout)]
#[repr(C)]
struct Later {
    first: u64,
    /// Becomes a type of a later format.
    later: [u64; 2],
    last: u64,
}

#[test]
fn types_of_a_later_format_are_listed() {
    let names = Names::new("dyn-later");
    let name = names.name("t");
    let shm = Later::create(&name).unwrap();
    let path = Names::path(&name);
    let mut file = fs::read(&path).unwrap();
    assert_eq!(forge_later(&mut file, 2, 16, 8), 1);
    fs::write(&path, file).unwrap();

    let schema = DynSchema::of_segment(&name).unwrap();
    assert_eq!(schema.fingerprint(), Later::FINGERPRINT);
    assert_eq!((schema.size(), schema.align()), (32, 8));
    let fields = schema.fields();
    assert_eq!(
        fields.iter().map(row).collect::<Vec<_>>(),
        [
            (0, "first", 0, 8, "u64"),
            (0, "later", 8, 16, "a type of a later format (tag 200)"),
            (0, "last", 24, 8, "u64"),
        ]
    );
    let copy = DynSchema::from_bytes(&schema.to_bytes()).unwrap();
    assert_eq!(copy.first_difference(&schema), None);
    let original = DynSchema::of_layout(Later::LAYOUT).unwrap();
    assert!(original.first_difference(&schema).is_some());

    drop(shm);
}

#[test]
fn a_type_of_a_later_format_needs_a_possible_place() {
    for (size, align, part) in [
        (16, 0, "`later` has the impossible alignment 0"),
        (16, 24, "`later` has the impossible alignment 24"),
        (12, 8, "`later` has 12 bytes, which is no multiple"),
        (u64::MAX, 8, "`later` has the impossible size"),
        (32, 8, "`later` at byte 8 reaches beyond its struct"),
        (24, 8, "has fields that overlap"),
        (16, 16, "`later` has a larger alignment than its struct"),
    ] {
        let mut bytes = DynSchema::of_layout(Later::LAYOUT).unwrap().to_bytes();
        assert_eq!(forge_later(&mut bytes, 2, size, align), 1);
        let text = DynSchema::from_bytes(&bytes)
            .map(drop)
            .unwrap_err()
            .to_string();
        assert!(text.contains(part), "{text}");
    }
}
