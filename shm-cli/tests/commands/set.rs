//! `shm get` and `shm set`.

use std::fs::{self, File};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use shm_core::{Shm, ShmLayout};
use shm_tests::{Names, no_child_starts};

use crate::common::{Ran, command, shm};
use crate::robot::{Mode, Pose, Robot, robot};

struct Tried {
    name: String,
    robot: Shm<Robot>,
    /// Dropped last, when the segment is gone.
    _names: Names,
}

impl Tried {
    fn new(tag: &str) -> Self {
        let names = Names::new(tag);
        let name = names.name("robot");
        Self {
            robot: robot(&name),
            name,
            _names: names,
        }
    }

    fn set(&self, arguments: &[&str]) -> Ran {
        shm([&["set", &self.name, "--yes"], arguments].concat())
    }

    fn get(&self, arguments: &[&str]) -> Ran {
        shm([&["get", &self.name], arguments].concat())
    }
}

#[test]
fn values_are_set_and_what_was_is_printed() {
    let tried = Tried::new("set");
    let robot = &tried.robot;
    let out = tried
        .set(&[
            "frame=5",
            "temperature=1e3",
            "mode=Idle",
            "battery[3]=7.25",
            "wide=0xff",
            "matrix=[[1, 2], [3, 4.5]]",
        ])
        .code(0)
        .out;
    assert_eq!(
        out,
        "\
frame: 123456789 -> 5
temperature: 36.6 -> 1000.0
mode: Fast -> Idle
battery[3]: 1.5 -> 7.25
wide: 340282366920938463463374607431768211455 -> 255
matrix: [[0.0, 0.0], [0.0, 0.0]] -> [[1.0, 2.0], [3.0, 4.5]]
"
    );
    assert_eq!(robot.frame.get(), 5);
    assert_eq!(robot.mode.try_get().unwrap(), Mode::Idle);
    assert_eq!(robot.battery[3].get(), 7.25);
    let json = tried.set(&["frame=6", "--json"]).code(0).out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["schema"], "shm.set");
    let change = json!({"path": "frame", "before": 5, "after": 6});
    assert_eq!(json["changes"], json!([change]));
}

#[test]
fn parts_of_one_seqlock_are_one_commit() {
    let tried = Tried::new("set-together");
    let pose = &tried.robot.pose;
    let all = |number: u32| Pose {
        frame: number.into(),
        xyz: [number.into(); 3],
    };
    pose.store(all(0)).unwrap();
    let (first, _) = pose.read_versioned().unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let (version, seen) = pose.read_versioned().unwrap();
                assert_eq!(seen, all((version - first).try_into().unwrap()));
            }
        });
        // Checked when the reader has ended.
        let rans: Vec<Ran> = (1..=10)
            .map(|number| {
                let parts = ["frame", "xyz[0]", "xyz[1]", "xyz[2]"];
                let [frame, x, y, z] = parts.map(|part| format!("pose.{part}={number}"));
                tried.set(&[&frame, &x, &y, &z])
            })
            .collect();
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
        for ran in rans {
            assert_eq!(ran.code(0).out.lines().count(), 4);
        }
    });
    assert_eq!(pose.read_versioned().unwrap(), (first + 10, all(10)));
    // One between them separates them.
    let apart = ["pose.frame=11", "gain=1", "pose.xyz=[11, 11, 11]"];
    tried.set(&apart).code(0);
    assert_eq!(pose.read_versioned().unwrap(), (first + 12, all(11)));
}

#[test]
fn quotes_of_texts_may_be_left_out() {
    let tried = Tried::new("set-text");
    for (assignment, wanted) in [
        ("label=hello", "hello"),
        ("label=two words, [1] = {x}", "two words, [1] = {x}"),
        ("label=12", "12"),
        ("label=", ""),
        ("label=\"a\\tb\"", "a\tb"),
        ("label=true", "true"),
    ] {
        tried.set(&[assignment]).code(0);
        assert_eq!(tried.robot.label.get().unwrap(), wanted, "{assignment}");
    }
    tried.set(&["letter=7"]).code(0);
    assert_eq!(tried.robot.letter.try_get().unwrap(), '7');
    tried.set(&["letter='\\n'"]).code(0);
    assert_eq!(tried.robot.letter.try_get().unwrap(), '\n');
}

#[test]
fn a_wrong_value_changes_nothing() {
    let tried = Tried::new("set-wrong");
    for (wrong, code, reason) in [
        ("gain=x", 2, "takes a number"),
        ("mode=Slow", 2, "`Idle`"),
        ("mode=7", 2, "; write the name: `Fast`"),
        ("mode=fast", 2, "; did you mean `Fast`?"),
        ("temperature=nan", 2, "; did you mean `NaN`?"),
        ("gain=Infinity", 2, "; did you mean `inf`?"),
        ("neg=9223372036854775808", 2, "i64"),
        ("battery=[1, 2]", 2, "32 elements"),
        ("gain=[1", 2, "`shm set --help`"),
        ("gain", 2, "write `gain=VALUE`"),
        ("nothing=1", 3, "its fields are"),
        ("jobs.tail=1", 4, "only the protocol"),
        ("=1", 2, "it is empty"),
    ] {
        let ran = tried.set(&["frame=1", wrong]).code(code);
        assert!(ran.err.contains(reason), "{wrong}: {}", ran.err);
        assert_eq!(ran.out, "", "{wrong}");
        assert_eq!(tried.robot.frame.get(), 123_456_789, "{wrong}");
    }
}

#[test]
fn attached_processes_are_named_before_anything_is_written() {
    let tried = Tried::new("set-users");
    let ran = shm(["set", &tried.name, "frame=1"]).code(4);
    let user = format!("in use by process {} ", std::process::id());
    assert!(ran.err.contains(&user), "{}", ran.err);
    assert!(ran.err.contains("`--yes`"), "{}", ran.err);
    assert_eq!(tried.robot.frame.get(), 123_456_789);
    let ran = shm(["set", &tried.name, "frame=1", "--dry-run"]).code(0);
    assert_eq!(ran.out, "frame: 123456789 -> 1 (not written)\n");
    assert_eq!(tried.robot.frame.get(), 123_456_789);
    tried.robot.persist().unwrap();
    tried.robot.frame.set(2);
    let Tried {
        _names,
        name,
        robot,
    } = tried;
    {
        let _alone = no_child_starts();
        drop(robot);
    }
    // Nobody is left.
    let ran = shm(["set", &name, "frame=3"]).code(0);
    assert_eq!(ran.out, "frame: 2 -> 3\n");
    fs::remove_file(Names::path(&name)).unwrap();
}

#[test]
fn a_seqlock_gets_one_commit_and_a_mutex_its_lock() {
    let tried = Tried::new("set-locks");
    let robot = &tried.robot;
    let out = tried.set(&["pose={frame: 77, xyz: [1, 2, 3]}"]).code(0).out;
    assert_eq!(
        out,
        "pose: {frame: 9, xyz: [1.0, 2.5, -3.0]} -> {frame: 77, xyz: [1.0, 2.0, 3.0]}\n"
    );
    let pose = Pose {
        frame: 77,
        xyz: [1.0, 2.0, 3.0],
    };
    assert_eq!(robot.pose.read_versioned().unwrap(), (2, pose));
    tried.set(&["pose.frame=78", "state.total=4"]).code(0);
    assert_eq!(robot.pose.read_versioned().unwrap().0, 3);
    assert_eq!(robot.state.lock().unwrap().total.get(), 4);
    let guard = robot.counter.lock().unwrap();
    let arguments = ["frame=1", "counter=3", "--timeout", "10ms"];
    let ran = tried.set(&arguments).code(4);
    // What was written before is written.
    assert_eq!(ran.out, "frame: 123456789 -> 1\n");
    let owner = format!("process {} held the lock for 10ms", std::process::id());
    assert!(ran.err.contains(&owner), "{}", ran.err);
    assert!(ran.err.contains("`--timeout`"), "{}", ran.err);
    guard.set(2);
    drop(guard);
    assert_eq!(tried.set(&["counter=3"]).code(0).out, "counter: 2 -> 3\n");
    // It left no lock behind.
    assert!(robot.counter.try_lock().is_ok());
}

#[test]
fn values_that_cannot_be_printed_are_said_to_be_set() {
    let tried = Tried::new("set-full");
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = command();
    command
        .args(["set", &tried.name, "--yes", "frame=77"])
        .stdout(full)
        .stderr(Stdio::piped());
    let ran = shm_tests::start(&mut command).unwrap();
    let ran = ran.wait_with_output().unwrap();
    assert_eq!(ran.status.code(), Some(4));
    let text = String::from_utf8(ran.stderr).unwrap();
    assert!(
        text.contains("the values were set, but this command cannot write to standard output"),
        "{text}"
    );
    assert_eq!(tried.robot.frame.get(), 77);
}

#[test]
fn a_note_says_that_the_owner_of_a_mutex_died() {
    let tried = Tried::new("set-died");
    {
        // A handle that is dropped leaves what it held as a dead process does.
        let dead = Robot::attach(&tried.name).unwrap();
        std::mem::forget(dead.state.lock().unwrap());
        let _alone = no_child_starts();
        drop(dead);
    }
    let check = format!("`shm check {}`", tried.name);
    // The first takes the lock over, the second finds it free.
    for total in ["state.total=2", "state.total=3"] {
        let ran = tried.set(&[total, "counter=1"]).code(0);
        assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
        for part in ["note: `state`: ", "inconsistent", &check] {
            assert!(ran.err.contains(part), "{ran:?}");
        }
    }
    let json = tried.set(&["state.total=4", "--json"]).code(0).err;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["schema"], "shm.note");
    assert_eq!(tried.set(&["counter=2"]).code(0).err, "");
}

#[test]
fn dumps_are_not_set() {
    let tried = Tried::new("set-dump");
    let dump = std::env::temp_dir().join(tried.name.trim_start_matches('/'));
    fs::copy(Names::path(&tried.name), &dump).unwrap();
    let ran = shm(["set", dump.to_str().unwrap(), "frame=1"]).code(4);
    fs::remove_file(&dump).unwrap();
    assert!(ran.err.contains("`shm restore`"), "{}", ran.err);
}

#[test]
fn get_prints_what_set_takes() {
    let tried = Tried::new("get");
    let all = tried.get(&[]).code(0).out;
    let value = all.trim_end();
    for path in [
        "frame", "label", "mode", "letter", "wide", "battery", "pose", "state",
    ] {
        let value = tried.get(&[path]).code(0).out;
        let assignment = format!("{path}={}", value.trim_end());
        let ran = tried.set(&[&assignment]).code(0);
        let same = format!("{path}: {0} -> {0}\n", value.trim_end());
        assert_eq!(ran.out, same);
    }
    assert!(value.starts_with("{frame: 123456789, temperature: 36.6, "));
    let several = tried.get(&["frame", "pose.xyz[1]"]).code(0).out;
    assert_eq!(several, "123456789\n2.5\n");
    // All paths are looked up first.
    let ran = tried.get(&["frame", "nothing"]).code(3);
    assert_eq!(ran.out, "");
    let json = tried.get(&["wide", "letter", "--json"]).code(0).out;
    let values: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(values[0]["value"], u128::MAX.to_string());
    assert_eq!(values[1]["value"], "x");
    assert_eq!(values[1]["path"], "letter");
}

#[test]
fn raw_texts_have_no_quotes() {
    let tried = Tried::new("get-raw");
    assert_eq!(tried.get(&["label"]).code(0).out, "\"two \\\"words\\\"\"\n");
    assert_eq!(
        tried.get(&["label", "--raw"]).code(0).out,
        "two \"words\"\n"
    );
    assert_eq!(tried.get(&["frame", "-r"]).code(0).out, "123456789\n");
    tried.robot.label.set("\u{1b}[31m").unwrap();
    assert_eq!(tried.get(&["label", "-r"]).code(0).out, "\u{1b}[31m\n");
    assert_eq!(tried.get(&["label"]).code(0).out, "\"\\u{1b}[31m\"\n");
    let shown = crate::common::on_terminal((80, 24), ["get", &tried.name, "label", "-r"]);
    assert_eq!(shown, "\\u{1b}[31m\n");
}
