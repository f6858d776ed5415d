//! `shm diff`.

use shm_core::ShmLayout;
use shm_core::sync::SeqLock;

use crate::types::{Mode, Pose, Robot, Telemetry};
use crate::{shm, unique_name};

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Moved {
    frame: u64,
    extra: u64,
    position: [f32; 6],
    temperature: f32,
    flags: u32,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Grown {
    frame: u64,
    position: [f64; 3],
    temperature: f32,
    flags: u32,
    #[shm(since = 1)]
    humidity: u64,
}

#[test]
fn changed_layouts_are_listed_field_by_field() {
    let (a, b) = (unique_name(), unique_name());
    let _telemetry = Telemetry::create(&a).unwrap();
    let _moved = Moved::create(&b).unwrap();
    assert_eq!(
        shm(&["diff", &a, &b]).found(1),
        "\
CHANGE   FIELD        A              B
moved    position     [f64; 3] at 8  [f32; 6] at 16
retyped  position     [f64; 3] at 8  [f32; 6] at 16
moved    temperature  f32 at 32      f32 at 40
moved    flags        u32 at 36      u32 at 44
added    extra                       u64 at 8

The layouts differ: field `extra` (u64 at byte 8) is only in the second. A program of one does not attach to a segment of the other.
"
    );
    assert_eq!(
        shm(&["diff", &a, &a]).found(0),
        "The layouts are the same.\n"
    );
}

#[test]
fn a_grown_struct_is_compatible_and_different() {
    let (a, b) = (unique_name(), unique_name());
    let _old = Telemetry::create(&a).unwrap();
    let _new = Grown::create(&b).unwrap();
    let out = shm(&["diff", &a, &b]).found(1);
    assert!(
        out.contains("added   humidity     u64 at 40, since 1"),
        "{out}"
    );
    assert!(
        out.contains("The first is the beginning of the second, which adds level 1."),
        "{out}"
    );
    let out = shm(&["diff", &b, &a]).found(1);
    assert!(
        out.contains("The second is the beginning of the first"),
        "{out}"
    );
    let json = shm(&["diff", &a, &b, "--json"]).found(1);
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["schema"], "shm.diff");
    assert_eq!(document["verdict"], "first is prefix");
    assert_eq!(document["attaches"], true);
    assert_eq!(document["differences"][0]["second"]["offset"], 40);
    assert_eq!(
        document["first"]["fingerprints"][0],
        document["second"]["fingerprints"][0]
    );
}

#[test]
fn variants_of_an_enum_are_compared() {
    #[derive(Clone, Copy, ShmLayout)]
    #[repr(u8)]
    enum Other {
        Idle,
        Slow = 7,
    }
    let (a, b) = (unique_name(), unique_name());
    let _a = Mode::create_with(&a, |mode| mode.set(Mode::Fast)).unwrap();
    let _b = Other::create_with(&b, |mode| mode.set(Other::Slow)).unwrap();
    let _ = Other::Idle;
    let out = shm(&["diff", &a, &b]).found(1);
    assert!(
        out.contains("an enum whose variant number 2 is `Fast = 7` in the first"),
        "{out}"
    );
}

#[test]
fn values_that_differ_are_listed_by_path() {
    let (a, b) = (unique_name(), unique_name());
    let first = Robot::create(&a).unwrap();
    let second = Robot::create(&b).unwrap();
    let out = shm(&["diff", "--values", &a, &b]).found(0);
    assert_eq!(out, "The values of all common fields are the same.\n");
    first.temperature.set(21.5);
    first.mode.set(Mode::Fast);
    for pose in &first.poses[3..6] {
        pose.quality.set(1);
    }
    second.history.extend_from_slice(&[1.0, 2.0]).unwrap();
    let pose = Pose {
        xyz: [1.0, 2.0, 3.0],
        quality: 9,
        _pad: 0,
    };
    second.pose.store(pose).unwrap();
    let out = shm(&["diff", "--values", &a, &b]).found(1);
    assert_eq!(
        out,
        "\
PATH              A                B
mode              Fast             Idle
temperature       21.5             0.0
poses[3].quality  1                0
poses[4].quality  1                0
poses[5].quality  1                0
pose.xyz[0..3]    [0.0, 0.0, 0.0]  [1.0, 2.0, 3.0]
pose.quality      0                9
history           0 elements       2 elements
10 values differ
"
    );
    let json = shm(&["diff", "--values", &a, &b, "--json"]).found(1);
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["count"], 10);
    assert_eq!(document["differences"][0]["first"], "Fast");
}

#[test]
fn an_array_of_millions_is_compared_in_parts() {
    let (a, b) = (unique_name(), unique_name());
    let first = <[u32; 3_000_000]>::create(&a).unwrap();
    let _second = <[u32; 3_000_000]>::create(&b).unwrap();
    first[1_234_567].set(1);
    first[2_999_998].set(2);
    first[2_999_999].set(3);
    assert_eq!(
        shm(&["diff", "--values", &a, &b]).found(1),
        "\
PATH                A       B
[1234567]           1       0
[2999998..3000000]  [2, 3]  [0, 0]
3 values differ
"
    );
}

#[test]
fn a_segment_is_compared_with_its_dump() {
    let name = unique_name();
    let lock = SeqLock::<Pose>::create(&name).unwrap();
    let dump = std::env::temp_dir().join(format!("shm-cli-diff-{}", std::process::id()));
    std::fs::copy(format!("/dev/shm{name}"), &dump).unwrap();
    let path = dump.to_str().unwrap();
    shm(&["diff", &name, path]).found(0);
    shm(&["diff", "--values", &name, path]).found(0);
    let pose = Pose {
        xyz: [0.0; 3],
        quality: 1,
        _pad: 0,
    };
    lock.store(pose).unwrap();
    let out = shm(&["diff", "--values", &name, path]).found(1);
    assert!(out.contains("quality  1  0"), "{out}");
    std::fs::write(&dump, "something else").unwrap();
    let refused = shm(&["diff", &name, path]).refused(4);
    assert!(refused.contains("write one with `shm dump`"), "{refused}");
    std::fs::remove_file(&dump).unwrap();
    shm(&["diff", &name, path]).refused(3);
}

#[test]
fn values_without_a_common_field_are_not_the_same() {
    #[derive(Clone, Copy, ShmLayout)]
    #[repr(C)]
    struct Other {
        speed: u64,
    }
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Large {
        samples: [u64; 2_000_000],
    }
    let (a, b, c) = (unique_name(), unique_name(), unique_name());
    let _a = Pose::create(&a).unwrap();
    let _b = Other::create(&b).unwrap();
    let _c = Large::create(&c).unwrap();
    // A part that is too large to be read at once has fields, too.
    for (first, second) in [(&a, &b), (&c, &b), (&b, &c)] {
        assert_eq!(
            shm(&["diff", "--values", first, second]).found(1),
            format!(
                "The layouts differ and have no common field; `shm diff {first} {second}` shows them\n"
            )
        );
    }
    shm(&["diff", "--values", &c, &c]).found(0);
}

#[test]
fn fields_of_one_side_only_are_listed() {
    let (a, b) = (unique_name(), unique_name());
    let _old = Telemetry::create(&a).unwrap();
    let _new = Grown::create(&b).unwrap();
    assert_eq!(
        shm(&["diff", "--values", &a, &b]).found(1),
        format!(
            "\
humidity was not compared: only the second has it
The values of all common fields are the same.
The layouts differ; `shm diff {a} {b}` shows them
"
        )
    );
    let json = shm(&["diff", "--values", &b, &a, "--json"]).found(1);
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    let left_out = serde_json::json!([{"path": "humidity", "only_in": "first"}]);
    assert_eq!(document["left_out"], left_out);
}
