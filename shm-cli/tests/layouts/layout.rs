//! `shm layout`.

use std::sync::atomic::AtomicU64;

use shm_core::sync::Mutex;
use shm_core::{Shm, ShmLayout, ShmVec};
use snapbox::data::DataFormat;
use snapbox::{Data, assert_data_eq, file};

use crate::types::{Robot, Telemetry};
use crate::{shm, shm_in, unique_name};

fn robot() -> (Shm<Robot>, String) {
    let name = unique_name();
    (Robot::create(&name).unwrap(), name)
}

/// The output with the same name in all runs.
fn named(text: &str, name: &str) -> String {
    text.replace(name, "/robot")
}

#[test]
fn a_picture_on_a_terminal_looks_like_this() {
    let (_robot, name) = robot();
    let colored = shm(&["layout", &name, "--color", "always"]).found(0);
    assert_data_eq!(
        Data::text(named(&colored, &name)),
        file!["snapshots/robot.term.svg": TermSvg]
    );
    let ascii = shm_in("C", &["layout", &name, "--line", "128"]).found(0);
    assert!(ascii.is_ascii(), "{ascii}");
    assert_data_eq!(
        named(&ascii, &name),
        file!["snapshots/robot_ascii.txt": Text]
    );
}

#[test]
fn an_svg_file_is_written_where_it_is_wanted() {
    let (_robot, name) = robot();
    let out = shm(&["layout", &name, "--svg", "-"]).found(0);
    assert_data_eq!(
        Data::text(named(&out, &name)),
        file!["snapshots/robot.svg"].coerce_to(DataFormat::Text)
    );
    let file = std::env::temp_dir().join(format!("shm-cli-layouts-{}.svg", std::process::id()));
    let path = file.to_str().unwrap();
    assert_eq!(shm(&["layout", &name, "--svg", path]).found(0), "");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), out);
    std::fs::remove_file(&file).unwrap();
    let nowhere = shm(&["layout", &name, "--svg", "/nowhere/robot.svg"]).refused(3);
    assert!(
        nowhere.contains("cannot write /nowhere/robot.svg"),
        "{nowhere}"
    );
}

#[test]
fn a_path_leads_to_a_part() {
    let (_robot, name) = robot();
    let whole = shm(&["layout", &name]).found(0);
    assert!(whole.contains("4480 bytes in 70 lines of 64"), "{whole}");
    let part = shm(&["layout", &name, "poses[2]"]).found(0);
    assert!(
        part.contains("poses[2] Pose\n32 bytes in 1 line of 64"),
        "{part}"
    );
    assert!(part.contains("   128  "), "{part}");
    let list = shm(&["layout", &name, "poses[2..5]"]).found(0);
    assert!(list.contains("[Pose; 3]"), "{list}");
    let word = shm(&["layout", &name, "jobs.tail"]).found(0);
    assert!(word.contains("AtomicU64"), "{word}");
    let inside = shm(&["layout", &name, "pose.xyz"]).refused(2);
    assert!(
        inside.contains("show the layout of what is around it"),
        "{inside}"
    );
    let missing = shm(&["layout", &name, "pses"]).refused(3);
    assert!(missing.contains("did you mean `poses`"), "{missing}");
}

#[test]
fn a_note_names_what_shares_a_line() {
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Counters {
        each: [AtomicU64; 16],
        lock: Mutex<u32>,
    }
    let name = unique_name();
    let _counters = Counters::create(&name).unwrap();
    let out = shm(&["layout", &name]).found(0);
    assert!(
        out.contains("◆1 neighboring elements of `each` share a line (AtomicU64, every 8 bytes)"),
        "{out}"
    );
    assert!(out.contains("#[repr(C, align(128))]"), "{out}");
    let name = unique_name();
    let _telemetry = Telemetry::create(&name).unwrap();
    let out = shm(&["layout", &name]).found(0);
    assert!(out.contains("No line of 64 bytes has parts"), "{out}");
    assert!(!out.contains('◆'), "{out}");
}

#[test]
fn json_has_every_span_and_note() {
    let (_robot, name) = robot();
    let out = shm(&["layout", &name, "--json"]).found(0);
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["schema"], "shm.layout");
    assert_eq!(document["size"], 4480);
    let spans = document["spans"].as_array().unwrap();
    assert_eq!(spans[0]["path"], "beat");
    assert_eq!(spans[0]["type"], "AtomicU64");
    let sizes: u64 = spans
        .iter()
        .map(|span| span["size"].as_u64().unwrap())
        .sum();
    assert_eq!(sizes, 4480);
    let shared = &document["shared_lines"][0];
    assert_eq!(shared["lines"], serde_json::json!([0]));
    assert_eq!(shared["objects"][2]["type"], "Mutex<f64>");
    assert_eq!(shared["fields"][0], "mode");
}

#[test]
fn a_trailing_slice_has_all_its_elements() {
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Log {
        count: u64,
        lines: [ShmVec<u8, 24>],
    }
    let name = unique_name();
    let _log = Log::create_with_len(&name, 100).unwrap();
    let out = shm(&["layout", &name]).found(0);
    assert!(out.contains("3208 bytes in 51 lines"), "{out}");
    assert!(out.contains("lines[1..100]"), "{out}");
}

#[test]
fn long_types_take_no_longer_than_short_ones() {
    let name = unique_name();
    let _huge = <[[u64; 1 << 17]; 1 << 10]>::options()
        .sparse(true)
        .create(&name)
        .unwrap();
    let out = shm(&["layout", &name]).found(0);
    assert!(out.lines().count() < 14, "{out}");
    assert!(out.contains("more lines of"), "{out}");
}

#[test]
fn a_wrong_command_line_says_what_is_right() {
    let (_robot, name) = robot();
    let line = shm(&["layout", &name, "--line", "60"]).refused(2);
    assert!(
        line.contains("lines have 16, 32, 64 or 128 bytes"),
        "{line}"
    );
    let both = shm(&["layout", &name, "--json", "--svg", "-"]).refused(2);
    assert!(both.contains("run the command twice"), "{both}");
    shm(&["layout", "/shm-cli-layouts-is-not-there"]).refused(3);
}
