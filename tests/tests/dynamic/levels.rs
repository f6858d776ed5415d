//! Structs that have grown: the layout of a segment is its schema and the records of its levels.

use std::fs;

use shm_core::dynamic::DynSegment;
use shm_core::sync::Mutex;
use shm_core::{ShmError, ShmLayout};
use shm_tests::Names;

mod old {
    use super::*;

    #[derive(ShmLayout)]
    #[repr(C)]
    pub(super) struct Status {
        pub(super) beat: u64,
        pub(super) load: f64,
    }
}

mod new {
    use super::*;

    #[derive(ShmLayout)]
    #[repr(C)]
    pub(super) struct Status {
        pub(super) beat: u64,
        pub(super) load: f64,
        #[shm(since = 1)]
        pub(super) temperature: u32,
        #[shm(since = 1)]
        pub(super) humidity: u32,
        #[shm(since = 2)]
        pub(super) fan: Mutex<[u32; 3]>,
    }
}

fn get(segment: &DynSegment, path: &str) -> String {
    segment.at(path).unwrap().get().unwrap().to_string()
}

#[test]
fn the_fields_of_all_announced_levels_are_found() {
    let names = Names::new("dyn-levels");
    let name = names.name("t");
    let first = old::Status::create(&name).unwrap();
    let before = DynSegment::attach(&name).unwrap();
    assert_eq!(before.layout().to_string(), old::Status::LAYOUT.to_string());
    assert_eq!(get(&before, "."), "{beat: 0, load: 0.0}");

    let newer = new::Status::attach(&name).unwrap();
    newer.humidity.set(7);
    let after = DynSegment::attach(&name).unwrap();
    assert_eq!(after.layout().to_string(), new::Status::LAYOUT.to_string());
    assert_eq!(after.layout().level(), 2);
    assert_eq!(after.layout().fingerprint(), new::Status::FINGERPRINT);
    let value = "{beat: 0, load: 0.0, temperature: 0, humidity: 7, fan: [0, 0, 0]}";
    assert_eq!(get(&after, "."), value);
    after.at("fan[1]").unwrap().set(&5.into()).unwrap();
    assert_eq!(newer.fan.lock().unwrap()[1].get(), 5);
    after.at("beat").unwrap().set(&3.into()).unwrap();
    assert_eq!(first.beat.get(), 3);
    // A handle keeps the levels that it has found.
    assert_eq!(get(&before, "."), "{beat: 3, load: 0.0}");

    let file = std::env::temp_dir().join(&name[1..]);
    fs::copy(Names::path(&name), &file).unwrap();
    let dump = DynSegment::open(&file).unwrap();
    fs::remove_file(file).unwrap();
    assert!(std::ptr::eq(dump.layout(), after.layout()));
    assert_eq!(get(&dump, "fan[1]"), "5");
    assert_eq!(get(&dump, "humidity"), "7");
}

#[test]
fn records_that_contradict_the_schema_are_damage() {
    let names = Names::new("dyn-records");
    let name = names.name("t");
    let _shm = new::Status::create(&name).unwrap();
    let whole = fs::read(Names::path(&name)).unwrap();
    let file = std::env::temp_dir().join(&name[1..]);
    let open = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        DynSegment::open(&file)
    };
    assert_eq!(open(&whole).unwrap().layout().level(), 2);
    let end = whole.len();
    let len = u32::from_ne_bytes(whole[end - 16..end - 12].try_into().unwrap()) as usize;
    let start = end - 16 - len.next_multiple_of(8);
    let changed = |at: usize, to: &[u8]| {
        let mut bytes = whole.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    };
    for (at, to, reason) in [
        (
            end - 8,
            &[1, 2, 3][..],
            "has a level 1 that has another fingerprint than its fields give",
        ),
        (end - 12, &[1], "the record of a level is impossible"),
        (end - 16, &[255, 255], "the record of a level is impossible"),
        (
            start,
            &48_u64.to_ne_bytes(),
            "has a level 1 that has another size or alignment",
        ),
        (
            start + 8,
            &[16],
            "has a level 1 that has another size or alignment",
        ),
        (start + 12, &[9], "the record of a level cannot be read"),
        // The offset of the first field: inside level 0.
        (
            start + 16 + 2 + "temperature".len(),
            &[8],
            "has fields `temperature` and `load` that overlap",
        ),
        (start + 16 + 2, b"beat_______", "has another fingerprint"),
        (start + 16 + 2 + "temperature".len(), &[20], "overlap"),
    ] {
        let error = open(&changed(at, to)).unwrap_err();
        assert!(matches!(error, ShmError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains(reason), "{reason}: {error}");
    }
    // Any single byte is refused or accepted, and nothing panics.
    for at in start..end {
        for to in [0, 1, 0x7f, 0xff] {
            if let Ok(segment) = open(&changed(at, &[to])) {
                let _ = segment.at(".").unwrap().get();
            }
        }
    }
    fs::remove_file(file).unwrap();
}
