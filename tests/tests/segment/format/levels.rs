//! Levels of a struct: their records, and what announcing them writes.

use shm_core::ShmLayout;
use shm_tests::versions::{How, Place, V0, V1, V2, V4, X2, Y2, open_version};

use super::{DOCUMENT, bytes_of, check, check_before, decode_py, open, u32_at, u64_at, unique};

#[test]
fn records_of_a_creator_match_the_format() {
    let name = unique("levels");
    let shm = V4::create(&name).unwrap();
    shm.e.set(5);
    shm.f.set(6);
    let payload = check_before::<V4>(&open(&name), 2);
    assert_eq!((u64_at(&payload, 32), u64_at(&payload, 56)), (5, 6));
    drop(shm);
    let _shm = X2::create(&name).unwrap();
    check::<X2>(&open(&name));
}

#[test]
fn announced_records_are_those_of_a_creator() {
    let name = unique("announced");
    // The number and the records of a segment that these versions attach to, the first of which creates it.
    let levels = |versions: &[&str]| {
        let open_as =
            |version: &str, how| open_version(version, how, Place::Name(&name), false).unwrap();
        let _first = open_as(versions[0], How::Create);
        for version in &versions[1..] {
            open_as(version, How::Attach);
        }
        let bytes = bytes_of(&open(&name));
        (u32_at(&bytes, 208), bytes[3000..].to_vec())
    };
    // In one step and in several.
    let created = levels(&["v4"]);
    for versions in [
        &["v0", "v4"][..],
        &["v0", "v1", "v2", "v3", "v4"],
        &["v2", "v0", "v1", "v4"],
    ] {
        assert!(levels(versions) == created, "{versions:?}");
    }
    assert!(levels(&["v0", "y2"]) == levels(&["y2"]));
    assert!(levels(&["v1", "x2"]) != levels(&["v2"]));
}

#[derive(ShmLayout)]
#[repr(C)]
struct Telemetry {
    frame: u64,
    position: [f64; 3],
    temperature: f32,
    flags: u32,
    #[shm(since = 1)]
    fan: u16,
    #[shm(since = 1)]
    _pad: [u16; 3],
}

#[test]
fn the_formats_example_of_a_level_matches_a_real_segment() {
    let name = unique("level-example");
    let _shm = Telemetry::create(&name).unwrap();
    check::<Telemetry>(&open(&name));
    let bytes = bytes_of(&open(&name));
    assert_eq!((bytes.len(), u32_at(&bytes, 4096 - 16)), (4096, 83));
    let begin = 4096 - 16 - 88;
    assert_eq!((u64_at(&bytes, begin), u32_at(&bytes, begin + 8)), (48, 8));
    assert_eq!(begin, 3992);
    for part in [
        "`fan: u16` at 40 and a field `_pad: [u16; 3]` has the size 48 and the",
        "= 83, and it takes 88 + 16 = 104 bytes, from 3992 to the end of a file of 4096 bytes.",
    ] {
        assert!(DOCUMENT.contains(part), "{part}");
    }
    // The schema in its usual place is that of level 0.
    assert_eq!(Telemetry::FINGERPRINT, super::Telemetry::FINGERPRINT);
    assert_eq!(
        (Telemetry::LEVEL, V0::LEVEL, V1::LEVEL, V2::LEVEL, Y2::LEVEL),
        (1, 0, 1, 2, 2)
    );
}

#[test]
fn the_python_decoder_shows_each_levels_fields() {
    let name = unique("python-levels");
    let old = V0::create(&name).unwrap();
    old.b.set(2);
    let Some(stdout) = decode_py(&name) else {
        return;
    };
    assert!(stdout.contains("levels = 0\n"), "{stdout}");
    let new = V4::attach(&name).unwrap();
    new.d.set(4);
    new.lock.lock().unwrap().set(7);
    let stdout = decode_py(&name).unwrap();
    let begin = stdout.find("levels = 4\n").unwrap();
    let lines: Vec<_> = stdout[begin..].lines().skip(1).map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "0 a: u64 = 0",
            "8 b: u64 = 2",
            "level 1: 24 bytes",
            "16 c: u64 = 0",
            "level 2: 40 bytes",
            "24 d: u64 = 4",
            "32 e: u64 = 0",
            "level 3: 56 bytes",
            "40 lock.claim: u32 = 0",
            "48 lock.value: u64 = 7",
            "level 4: 64 bytes",
            "56 f: u64 = 0",
        ]
    );
}
