//! `shm show`.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};

use serde_json::Value;
use shm_core::ShmLayout;
use shm_core::dynamic::{DynSchema, DynSegment};
use shm_tests::Names;
use shm_tests::hostile::Forgery;
use snapbox::{IntoData, assert_data_eq, str};

use crate::common::{Running, on_terminal, shm};
use crate::robot::{Job, Mode, Pose, robot};

#[test]
fn every_kind_of_part_is_shown_as_people_read_it() {
    let names = Names::new("show");
    let name = names.name("robot");
    let robot = robot(&name);
    let mut jobs = robot.jobs.sender().unwrap();
    for id in 0..12 {
        let job = Job {
            id,
            mode: Mode::Idle,
            name: "weld".parse().unwrap(),
        };
        jobs.try_send(job).unwrap();
    }
    let mut ticks = robot.ticks.sender().unwrap();
    for frame in 0..20 {
        let pose = Pose {
            frame,
            ..Pose::default()
        };
        ticks.send(pose).unwrap();
    }
    let counter = robot.counter.lock().unwrap();
    counter.set(5);
    let shown = shm(["show", &name]).code(0);
    let pid = std::process::id();
    let shown = shown.out.replace(&name, "/robot");
    let shown = shown.replace(&format!("sender {pid}"), "sender PID");
    let shown = shown.replace(&format!("process {pid}"), "process PID");
    assert_data_eq!(
        shown,
        str![[r#"
/robot  Robot, 8.5 KiB
  frame        123_456_789  u64
  temperature  36.6  f64
  neg          -5  i64
  mode         Fast  Mode
  gain         0.0  f32
  label        "two \"words\""  ShmStr<32>
  letter       'x'  char
  flags        [false, false, false, false]  [bool; 4]
  raw          [u8; 200]
    0000  30 31 32 33 34 35 36 37  38 39 3a 3b 3c 3d 3e 3f  |0123456789:;<=>?|
    0010  40 41 42 43 00 00 00 00  00 00 00 00 00 00 00 00  |@ABC............|
    0020  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
    0030  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
    .. 136 more
  mac          [0, 0, 0, 0, 0, 0]  [u8; 6]
  wide         340_282_366_920_938_463_463_374_607_431_768_211_455  u128
  battery      [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, .. 20 more]  [f32; 32]
  matrix       [[0.0, 0.0], [0.0, 0.0]]  [[f32; 2]; 2]
  history      [Pose; 100]
    [0]  {frame: 0, xyz: [0.0, 0.0, 0.0]}
    [1]  {frame: 1, xyz: [0.0, 0.0, 0.0]}
    [2]  {frame: 2, xyz: [0.0, 0.0, 0.0]}
    [3]  {frame: 3, xyz: [0.0, 0.0, 0.0]}
    .. 96 more
  first        null  ShmOffset
  pose         {frame: 9, xyz: [1.0, 2.5, -3.0]}  SeqLock<Pose, 4>  version 1
  state        {total: 0, items: [10, 20, 30]}  Mutex<State>  free
  counter      5  Mutex<u64>  locked by process PID
  jobs         Ring<Job, 64>  12 of 64 messages, 12 sent, sender PID, no receiver
    [#0]  {id: 0, mode: Idle, name: "weld"}
    [#1]  {id: 1, mode: Idle, name: "weld"}
  ticks        Broadcast<Pose, 16>  20 sent, keeps 16, sender PID
    [#18]  {frame: 18, xyz: [0.0, 0.0, 0.0]}
    [#19]  {frame: 19, xyz: [0.0, 0.0, 0.0]}
  stop         Event  0 notifications
  slots        Semaphore  3 permits
  start        Barrier<3>  round 0, no seat is taken

"#]]
        .raw()
    );
}

#[test]
fn a_path_leads_to_the_part_that_is_shown() {
    let names = Names::new("show-path");
    let name = names.name("robot");
    let robot = robot(&name);
    let shown = |arguments: &[&str]| {
        let shown = shm([&["show", &name], arguments].concat()).code(0);
        shown.out.replace(&name, "/robot")
    };
    assert_data_eq!(
        shown(&["pose"]),
        str![[r#"
/robot pose  SeqLock<Pose, 4>, 768 B  version 1
  frame  9  u64
  xyz    [1.0, 2.5, -3.0]  [f64; 3]

"#]]
        .raw()
    );
    assert_data_eq!(
        shown(&["frame", "--hex"]),
        str![[r#"
/robot frame  u64, 8 B
  0x00000000075bcd15

"#]]
        .raw()
    );
    assert_data_eq!(
        shown(&["neg", "-x"]),
        str![[r#"
/robot neg  i64, 8 B
  0xfffffffffffffffb

"#]]
        .raw()
    );
    assert_data_eq!(
        shown(&["battery[10..20]"]),
        str![[r#"
/robot battery[10..20]  [f32; 10], 40 B
  [10]  5.0  5.5  6.0  6.5  7.0  7.5  8.0  8.5  9.0  9.5

"#]]
        .raw()
    );
    assert_data_eq!(
        shown(&["history[98..]"]),
        str![[r#"
/robot history[98..]  [Pose; 2], 64 B
  [98]  {frame: 98, xyz: [0.0, 0.0, 0.0]}
  [99]  {frame: 99, xyz: [0.0, 0.0, 0.0]}

"#]]
        .raw()
    );
    assert_data_eq!(
        shown(&["jobs"]),
        str![[r#"
/robot jobs  Ring<Job, 64>, 2.75 KiB  0 of 64 messages, 0 sent, no sender, no receiver

"#]]
        .raw()
    );
    {
        let mut jobs = robot.jobs.sender().unwrap();
        for id in 70..73 {
            let job = Job {
                id,
                mode: Mode::Fast,
                name: Default::default(),
            };
            jobs.try_send(job).unwrap();
        }
    }
    assert_data_eq!(
        shown(&["jobs"]),
        str![[r#"
/robot jobs  Ring<Job, 64>, 2.75 KiB  3 of 64 messages, 3 sent, no sender, no receiver
  [#0]  {id: 70, mode: Fast, name: ""}
  [#1]  {id: 71, mode: Fast, name: ""}
  [#2]  {id: 72, mode: Fast, name: ""}

"#]]
        .raw()
    );
    assert_data_eq!(
        shown(&["jobs[#2].id"]),
        str![[r#"
/robot jobs[#2].id  u32, 4 B
  72

"#]]
        .raw()
    );
    assert_data_eq!(
        shown(&["jobs.tail"]),
        str![[r#"
/robot jobs.tail  AtomicU64, 8 B
  3

"#]]
        .raw()
    );
    assert_data_eq!(
        shown(&["raw", "--full"]),
        str![[r#"
/robot raw  [u8; 200], 200 B
  0000  30 31 32 33 34 35 36 37  38 39 3a 3b 3c 3d 3e 3f  |0123456789:;<=>?|
  0010  40 41 42 43 00 00 00 00  00 00 00 00 00 00 00 00  |@ABC............|
  0020  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
  *
  00c0  00 00 00 00 00 00 00 00                           |........|

"#]]
        .raw()
    );
    assert_data_eq!(
        shown(&["state", "--depth", "0"]),
        str![[r#"
/robot state  Mutex<State>, 424 B  free
  ..

"#]]
        .raw()
    );
}

#[test]
fn lists_are_folded_unless_all_is_wanted() {
    let names = Names::new("show-full");
    let name = names.name("robot");
    let _robot = robot(&name);
    let folded = shm(["show", &name]).code(0).out;
    assert!(folded.contains(".. 96 more"), "{folded}");
    assert!(!folded.contains("frame: 99"), "{folded}");
    let full = shm(["show", &name, "--full"]).code(0).out;
    assert!(full.contains("frame: 99"), "{full}");
    assert!(!full.contains("more"), "{full}");
}

#[test]
fn json_has_values_and_what_is_known_of_them() {
    let names = Names::new("show-json");
    let name = names.name("robot");
    let robot = robot(&name);
    let _sender = robot.jobs.sender().unwrap();
    let shown = shm(["show", &name, "--json"]).code(0);
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(shown["schema"], "shm.show");
    assert_eq!(shown["version"], 1);
    assert_eq!(shown["name"], name);
    assert_eq!(shown["path"], ".");
    assert_eq!(shown["type"], "Robot");
    let value = &shown["value"];
    assert_eq!(value["frame"], 123_456_789);
    assert_eq!(value["mode"], "Fast");
    assert_eq!(value["pose"]["xyz"][1], 2.5);
    assert_eq!(value["state"]["items"], serde_json::json!([10, 20, 30]));
    assert_eq!(value["history"].as_array().unwrap().len(), 4);
    assert_eq!(shown["folded"]["history"], 100);
    let jobs = &shown["sync"]["jobs"];
    assert_eq!(
        (&jobs["type"], &jobs["capacity"]),
        (&"Ring".into(), &64.into())
    );
    assert_eq!(jobs["sender"]["pid"], std::process::id());
    assert_eq!(jobs["sender"]["alive"], true);
    assert_eq!(jobs["receiver"], Value::Null);
    assert_eq!(shown["sync"]["pose"]["version"], 1);
    // Fields in the order of the struct.
    let fields: Vec<&String> = value.as_object().unwrap().keys().collect();
    assert_eq!(fields[..3], ["frame", "temperature", "neg"]);
    let part = shm(["show", &name, "history[98..]", "--json"]).code(0);
    let part: Value = serde_json::from_str(&part.out).unwrap();
    assert_eq!(part["type"], "[Pose; 2]");
    assert_eq!(part["value"][1]["frame"], 99);
}

#[test]
fn a_part_that_is_not_valid_is_an_error_of_its_own() {
    let names = Names::new("show-invalid");
    let name = names.name("robot");
    let robot = robot(&name);
    shm_tests::poke(&robot.mode, 0, 3);
    let shown = shm(["show", &name]).code(0).out;
    let line = shown.lines().find(|line| line.contains(" mode "));
    assert!(
        line.unwrap().contains("which is not a variant of `Mode`"),
        "{shown}"
    );
    assert!(shown.contains("36.6"), "{shown}");
    let shown = shm(["show", &name, "--json"]).code(0);
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(shown["value"]["mode"], Value::Null);
    assert!(
        shown["errors"]["mode"]
            .as_str()
            .unwrap()
            .contains("is not a")
    );
    robot.mode.set(Mode::Idle);
}

/// Replaces a name in the schema of a segment by one that is as long. No process may be attached.
fn rename(name: &str, from: &[u8], to: &[u8]) {
    let replace = |bytes: &mut [u8], from: &[u8], to: &[u8]| {
        let at = bytes.windows(from.len()).position(|part| part == from);
        bytes[at.unwrap()..][..to.len()].copy_from_slice(to);
    };
    let before = DynSchema::of_segment(name).unwrap();
    let mut schema = before.to_bytes();
    replace(&mut schema, from, to);
    let after = DynSchema::from_bytes(&schema).unwrap();
    let path = Names::path(name);
    let mut forgery = Forgery::of(fs::read(&path).unwrap());
    replace(&mut forgery.bytes, from, to);
    let fingerprints = [&before, &after].map(|schema| schema.fingerprint().to_ne_bytes());
    replace(&mut forgery.bytes, &fingerprints[0], &fingerprints[1]);
    forgery.fix_checksum();
    fs::write(&path, &forgery.bytes).unwrap();
}

#[derive(ShmLayout)]
#[repr(C)]
struct Odd {
    usual: u64,
    replaced: [u64; 2],
}

#[test]
fn odd_names_are_escaped_and_lead_to_their_fields() {
    let names = Names::new("show-odd");
    let name = names.name("odd");
    let odd = Odd::create(&name).unwrap();
    odd.replaced[1].set(7);
    odd.persist().unwrap();
    drop(odd);
    rename(&name, b"replaced", b"a\x1b[2J b`");
    for arguments in [&["show", &name][..], &["show", &name, "--color=always"]] {
        let shown = shm(arguments).code(0).out;
        assert!(!shown.contains("\u{1b}[2J"), "{shown}");
        assert!(shown.contains(r"`a\u{1b}[2J b\``"), "{shown}");
    }
    let shown = shm(["show", &name, r"`a\u{1b}[2J b\``[1]"]).code(0).out;
    assert!(shown.ends_with("\n  7\n"), "{shown}");
    fs::remove_file(Names::path(&name)).unwrap();
}

/// The next line of JSON.
fn next(running: &Running) -> Value {
    let line = running.line().expect("another line");
    serde_json::from_str(&line).unwrap()
}

#[test]
fn follow_prints_a_line_for_each_change() {
    let names = Names::new("show-follow");
    let name = names.name("robot");
    let robot = robot(&name);
    let arguments = [
        "show",
        &name,
        "pose",
        "--follow",
        "--interval",
        "1ms",
        "--count",
        "3",
    ];
    let following = Running::start(arguments);
    let first = next(&following);
    assert_eq!(
        (&first["schema"], &first["path"]),
        (&"shm.show".into(), &"pose".into())
    );
    assert_eq!(first["value"]["frame"], 9);
    // Not a change of this part.
    robot.frame.set(1);
    let mut time = first["time"].as_f64().unwrap();
    for frame in [10, 11] {
        robot
            .pose
            .store(Pose {
                frame,
                ..Pose::default()
            })
            .unwrap();
        let next = next(&following);
        assert_eq!(next["value"]["frame"], frame);
        let later = next["time"].as_f64().unwrap();
        assert!(later >= time);
        time = later;
    }
    assert_eq!(following.line(), None);
    following.end().code(0);
}

#[test]
fn follow_ends_when_the_segment_is_removed() {
    let names = Names::new("show-removed");
    let name = names.name("robot");
    let robot = robot(&name);
    let following = Running::start(["show", &name, "frame", "--follow", "--interval", "1ms"]);
    next(&following);
    drop(robot);
    let ran = following.end().code(3);
    assert!(ran.err.contains("was removed"), "{}", ran.err);
}

#[test]
fn a_read_only_mapping_is_enough() {
    let names = Names::new("show-mapping");
    let name = names.name("robot");
    let _robot = robot(&name);
    let arguments = ["show", &name, "--follow", "--interval", "1ms"];
    let following = Running::start(arguments);
    next(&following);
    let maps = fs::read_to_string(format!("/proc/{}/maps", following.id())).unwrap();
    let file = fs::metadata(Names::path(&name)).unwrap().ino().to_string();
    let fields: Vec<Vec<&str>> = maps
        .lines()
        .map(|line| line.split_whitespace().collect())
        .filter(|fields: &Vec<&str>| fields[4] == file)
        .collect();
    assert!(!fields.is_empty(), "{maps}");
    assert!(fields.iter().all(|fields| fields[1] == "r--s"), "{maps}");
}

#[derive(ShmLayout)]
#[repr(C)]
struct Huge {
    first: u64,
    cells: [u64; 1 << 27],
    last: u64,
}

#[test]
fn of_a_large_segment_only_what_is_shown_is_read() {
    let names = Names::new("show-huge");
    let name = names.name("huge");
    let huge = Huge::options().sparse(true).create(&name).unwrap();
    huge.last.set(5);
    // A page that was never written is allocated when it is read.
    let allocated = || fs::metadata(Names::path(&name)).unwrap().blocks() * 512;
    let before = allocated();
    let shown = shm(["show", &name]).code(0).out;
    assert!(
        shown.contains(".. 134_217_712 more") || shown.contains(" more]"),
        "{shown}"
    );
    shm(["show", &name, "last"]).code(0);
    shm(["show", &name, "cells", "--json"]).code(0);
    shm(["show", &name, "cells[1_000_000]"]).code(2);
    shm(["show", &name, "cells[1000000]"]).code(0);
    let read = allocated() - before;
    // A system may allocate pages around those that are read.
    assert!(read <= 32 << 20, "{read} bytes");
}

#[test]
fn a_dump_is_shown_like_its_segment() {
    let names = Names::new("show-dump");
    let name = names.name("robot");
    let robot = robot(&name);
    let dump = std::env::temp_dir().join(name.trim_start_matches('/'));
    fs::copy(Names::path(&name), &dump).unwrap();
    robot.frame.set(1);
    let path = dump.to_str().unwrap();
    let of_dump = shm(["show", path]).code(0).out;
    fs::remove_file(&dump).unwrap();
    robot.frame.set(123_456_789);
    let of_segment = shm(["show", &name]).code(0).out;
    assert_eq!(of_dump.replace(path, ""), of_segment.replace(&name, ""));
}

#[test]
fn looking_changes_no_byte_of_the_segment() {
    let names = Names::new("show-bytes");
    let name = names.name("robot");
    let robot = robot(&name);
    let _guard = robot.counter.lock().unwrap();
    let _sender = robot.jobs.sender().unwrap();
    let bytes = || {
        let file = File::open(Names::path(&name)).unwrap();
        let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    };
    let before = bytes();
    for arguments in [
        &["show", &name][..],
        &["show", &name, "--full"],
        &["show", &name, "--json"],
        &["show", &name, "counter"],
        &["get", &name],
        &["ls", &name],
    ] {
        shm(arguments).code(0);
        assert_eq!(bytes(), before, "{arguments:?}");
    }
}

#[test]
fn errors_say_what_to_do_next() {
    let names = Names::new("show-errors");
    let name = names.name("robot");
    let _robot = robot(&name);
    let missing = names.name("missing");
    let err = shm(["show", &missing]).code(3).err;
    assert!(err.contains("`shm ls` lists"), "{err}");
    let err = shm(["show", &name, "fram"]).code(3).err;
    assert!(err.contains("did you mean `frame`?"), "{err}");
    let err = shm(["show", &name, "battery[40]"]).code(3).err;
    assert!(err.contains("`[0]` to `[31]`"), "{err}");
    let err = shm(["get", &name, "frame[0]"]).code(3).err;
    assert!(
        err.contains("`frame` is a `u64`, which has no elements"),
        "{err}"
    );
    assert!(!err.contains("has no fields"), "{err}");
    let err = shm(["show", &name, "battery["]).code(2).err;
    assert!(err.contains("expected an index"), "{err}");
    let err = shm(["show", &name, "--json", "fram"]).code(3).err;
    let error: Value = serde_json::from_str(&err).unwrap();
    assert_eq!(error["schema"], "shm.error");
}

#[test]
fn lines_of_a_tree_fit_the_terminal() {
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Named {
        a_field_whose_name_is_longer_than_the_terminal_is_wide: [u64; 2],
        x: [[u32; 3]; 2],
    }
    let names = Names::new("show-narrow");
    let name = names.name("a-segment-with-a-long-name");
    let _shm = Named::create(&name).unwrap();
    for columns in [24, 40, 50] {
        let shown = on_terminal((columns, 24), ["show", &name]);
        for line in shown.lines() {
            assert!(line.chars().count() <= columns.into(), "{columns}: {shown}");
        }
        assert!(shown.contains("  a_field_who"), "{shown}");
        assert!(shown.contains("[0, 0]") || columns < 40, "{shown}");
    }
    let shown = on_terminal((40, 24), ["show", "--full", &name]);
    assert!(shown.contains("than_the_terminal_is_wide"), "{shown}");
}

#[test]
fn a_message_that_is_not_there_is_a_part_that_is_not_there() {
    let names = Names::new("show-message");
    let name = names.name("robot");
    let _robot = robot(&name);
    let got = shm(["get", &name, "jobs[#99]"]).code(3);
    for arguments in [&[] as &[&str], &["--json"], &["--follow"]] {
        let words = [&["show", &name, "jobs[#99]"], arguments].concat();
        let shown = shm(words).code(3);
        assert_eq!(shown.out, "");
        assert!(!shown.err.is_empty());
        if arguments.is_empty() {
            assert_eq!(shown.err, got.err);
        }
    }
}

#[derive(ShmLayout)]
#[repr(C)]
struct Log {
    len: u32,
    bytes: [u8],
}

#[test]
fn a_slice_at_the_end_has_its_elements_and_its_size() {
    let names = Names::new("show-slice");
    let name = names.name("t");
    let _log = Log::create_with_len(&name, 5000).unwrap();
    let first = |path: &str| {
        let out = shm(["show", &name, path]).code(0).out;
        out.lines().next().unwrap().replace(&name, "/t")
    };
    assert_eq!(first("."), "/t  Log, 4.89 KiB");
    assert_eq!(first("bytes"), "/t bytes  [u8], 5000 elements, 4.88 KiB");
    assert_eq!(first("bytes[2..5]"), "/t bytes[2..5]  [u8; 3], 3 B");
    let out = shm(["show", &name]).code(0).out;
    assert!(out.contains("bytes  [u8], 5000 elements\n"), "{out}");
}

/// A short file can have any number of elements without bytes.
#[derive(ShmLayout)]
#[repr(C)]
struct Much {
    count: u64,
    nothing: [[u32; 0]; 1 << 40],
}

#[test]
fn elements_without_bytes_are_looked_at_once() {
    let names = Names::new("show-nothing");
    let name = names.name("t");
    let schema = DynSchema::of_layout(Much::LAYOUT).unwrap();
    let _much = DynSegment::create(&name, &schema).unwrap();
    let looks: [&[&str]; 7] = [
        &["show", &name],
        &["show", "--full", &name],
        &["show", "--full", &name, "nothing"],
        &["show", "--full", "--json", &name],
        &["diff", "--values", &name, &name],
        &["watch", "--csv", "-n", "1", &name],
        &["check", &name],
    ];
    for look in looks {
        let ran = Running::start(look).end().code(0);
        assert!(!ran.out.is_empty(), "{look:?}");
    }
}
