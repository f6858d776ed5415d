//! `check` finds what is wrong, says what to do, and changes nothing.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};

use serde_json::Value;
use shm_core::sync::{Broadcast, Mutex, Ring, SeqLock};
use shm_core::{ShmLayout, ShmOffset, ShmVec};
use shm_tests::{Names, no_child_starts};

use crate::common::{Ran, orphan, shm};

#[derive(Clone, Copy, Debug, ShmLayout)]
#[repr(u8)]
enum Mode {
    Off,
    On,
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Machine {
    jobs: Ring<u64, 4>,
    news: Broadcast<u64, 4>,
    locks: [Mutex<Inner>; 3],
    pose: SeqLock<[f64; 3]>,
    mode: Mode,
    letters: [char; 5000],
    flags: [bool; 5000],
    log: ShmVec<Mode, 8>,
    next: ShmOffset<u64>,
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Inner {
    mode: Mode,
    on: bool,
}

/// Byte of the file at which the payload has a field.
macro_rules! place {
    ($name:expr, $field:ident) => {{
        let fields = Machine::LAYOUT.fields();
        let field = fields
            .iter()
            .find(|field| field.name() == stringify!($field))
            .unwrap();
        payload_offset(&$name) + field.offset() as u64
    }};
}

fn payload_offset(name: &str) -> u64 {
    let mut word = [0; 8];
    File::open(Names::path(name))
        .unwrap()
        .read_exact_at(&mut word, 40)
        .unwrap();
    u64::from_ne_bytes(word)
}

fn poke(name: &str, at: u64, bytes: &[u8]) {
    let file = File::options().write(true).open(Names::path(name)).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

/// The kinds of findings with their paths.
fn found(name: &str, code: i32) -> Vec<(String, String)> {
    let ran = shm(["check", "--json", name]).code(code);
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    let findings = json["findings"].as_array().unwrap();
    assert_eq!(json["ok"], findings.is_empty(), "{json}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    findings
        .iter()
        .map(|finding| {
            assert!(!text(&finding["advice"]).is_empty(), "{finding}");
            (text(&finding["kind"]), text(&finding["path"]))
        })
        .collect()
}

#[track_caller]
fn finds(name: &str, expected: &[(&str, &str)]) {
    let code = i32::from(!expected.is_empty());
    let found = found(name, code);
    let found: Vec<_> = found
        .iter()
        .map(|(kind, path)| (kind.as_str(), path.as_str()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn a_segment_in_order_is_ok() {
    let names = Names::new("check-ok");
    let name = names.name("t");
    let made = Machine::create(&name).unwrap();
    let before = fs::read(Names::path(&name)).unwrap();
    let ran = shm_check(&name, 0);
    assert_eq!((ran.out, ran.err), (format!("{name}: ok\n"), String::new()));
    let quiet = shm(["check", "-q", &name]).code(0);
    assert_eq!((quiet.out, quiet.err), (String::new(), String::new()));
    assert_eq!(fs::read(Names::path(&name)).unwrap(), before);
    drop(made);
}

fn shm_check(name: &str, code: i32) -> Ran {
    shm(["check", name]).code(code)
}

#[test]
fn values_that_are_none_are_found_with_their_paths() {
    let names = Names::new("check-values");
    let name = names.name("t");
    let made = Machine::create(&name).unwrap();
    made.log.push(Mode::On).unwrap();
    let mutex = Machine::LAYOUT.fields()[2].layout().size() / 3;
    let locks = place!(name, locks);
    // The value follows the claim.
    poke(&name, locks + mutex as u64 + 4, &[9, 7]);
    poke(&name, place!(name, mode), &[5]);
    poke(
        &name,
        place!(name, letters) + 4 * 4999,
        &0xd800_u32.to_ne_bytes(),
    );
    poke(&name, place!(name, flags) + 4321, &[2]);
    poke(&name, place!(name, log) + 8, &[3]);
    poke(&name, place!(name, next), &(1_u64 << 40).to_ne_bytes());
    finds(
        &name,
        &[
            ("value", "locks[1].on"),
            ("value", "locks[1].mode"),
            ("value", "mode"),
            ("value", "letters[4999]"),
            ("value", "flags[4321]"),
            ("value", "log[0]"),
            ("value", "next"),
        ],
    );
    poke(&name, place!(name, log), &9_u64.to_ne_bytes());
    assert!(found(&name, 1).contains(&("value".into(), "log".into())));
    let ran = shm_check(&name, 1);
    assert!(
        ran.out.contains("`mode` holds 5, which is not a variant"),
        "{ran:?}"
    );
    assert!(ran.out.contains("; set it with `shm set`"), "{ran:?}");
    drop(made);
}

#[test]
fn dead_owners_and_counters_are_found() {
    let names = Names::new("check-sync");
    let name = names.name("t");
    let made = Machine::create(&name).unwrap();
    {
        // A handle that is dropped leaves what it held as a dead process does.
        let dead = Machine::attach(&name).unwrap();
        std::mem::forget(dead.locks[2].lock().unwrap());
        std::mem::forget(dead.jobs.sender().unwrap());
        std::mem::forget(dead.news.sender().unwrap());
        std::mem::forget(dead.pose.write().unwrap());
        let _alone = no_child_starts();
        drop(dead);
    }
    let alive = made.locks[0].lock().unwrap();
    finds(
        &name,
        &[
            ("dead-owner", "jobs"),
            ("dead-owner", "news"),
            ("dead-owner", "locks[2]"),
            ("dead-owner", "pose"),
        ],
    );
    let said = shm(["check", &name]).code(1).out;
    assert!(
        said.contains("`locks[2]` has a dead process as its owner"),
        "{said}"
    );
    let shown = shm(["show", &name, "locks[2]"]).code(0).out;
    assert!(shown.contains("locked by process ? (dead)"), "{shown}");
    drop(alive);
    drop(made.locks[2].lock().unwrap_err());
    let kinds = found(&name, 1);
    assert!(
        kinds.contains(&("poisoned".into(), "locks[2]".into())),
        "{kinds:?}"
    );
    // 5 sent with 4 slots.
    poke(&name, place!(name, jobs) + 256, &5_u64.to_ne_bytes());
    poke(&name, place!(name, news) + 136, &1_u64.to_ne_bytes());
    let kinds = found(&name, 1);
    for path in ["jobs", "news"] {
        assert!(
            kinds.contains(&("counters".into(), path.into())),
            "{kinds:?}"
        );
    }
    drop(made);
}

#[test]
fn the_state_of_a_name_is_found() {
    let names = Names::new("check-name");
    let name = names.name("t");
    orphan(&name);
    finds(&name, &[("orphaned", "")]);
    let reader = u64::attach_read_only(&name).unwrap();
    finds(&name, &[("owner-gone", "")]);
    drop(reader);
    fs::remove_file(Names::path(&name)).unwrap();

    let made = u64::create(&name).unwrap();
    fs::set_permissions(Names::path(&name), Permissions::from_mode(0o666)).unwrap();
    finds(&name, &[("mode", "")]);
    fs::set_permissions(Names::path(&name), Permissions::from_mode(0o600)).unwrap();
    poke(&name, 192, &2_u32.to_ne_bytes());
    finds(&name, &[("stale", "")]);
    poke(&name, 192, &0_u32.to_ne_bytes());
    finds(&name, &[]);
    drop(made);
}

#[test]
fn damage_is_a_finding_and_not_a_failure() {
    let names = Names::new("check-damage");
    let name = names.name("t");
    let made = Machine::create(&name).unwrap();
    let whole = fs::read(Names::path(&name)).unwrap();
    drop(made);
    let path = Names::path(&name);
    fs::write(&path, &whole[..8192]).unwrap();
    finds(&name, &[("damaged", "")]);
    let mut schema = whole.clone();
    // The tag of the schema's node, and an empty file.
    schema[256] = 3;
    fs::write(&path, schema).unwrap();
    let kinds = found(&name, 1);
    assert!(
        kinds.contains(&("damaged".into(), String::new())),
        "{kinds:?}"
    );
    fs::write(&path, b"not a segment").unwrap();
    shm_check(&name, 4);
    fs::write(&path, b"").unwrap();
    shm_check(&name, 4);
    fs::remove_file(&path).unwrap();
    shm_check(&name, 3);
}

#[test]
fn several_names_and_dumps_are_checked() {
    let names = Names::new("check-several");
    let (good, bad, missing) = (names.name("good"), names.name("bad"), names.name("missing"));
    let shm_good = u64::create(&good).unwrap();
    orphan(&bad);
    let dump = std::env::temp_dir().join(&good[1..]);
    fs::copy(Names::path(&good), &dump).unwrap();
    let dump_path = dump.to_str().unwrap();
    let ran = shm(["check", &good, dump_path]).code(0);
    assert_eq!(ran.out, format!("{good}: ok\n{dump_path}: ok\n"));
    let ran = shm(["check", &good, &bad]).code(1);
    assert_eq!(ran.out.lines().count(), 2, "{ran:?}");
    let ran = shm(["check", &missing, &bad, &good]).code(3);
    assert_eq!(
        (ran.out.lines().count(), ran.err.lines().count()),
        (2, 1),
        "{ran:?}"
    );
    let quiet = shm(["check", "--quiet", &missing, &bad]).code(3);
    assert_eq!((quiet.out, quiet.err), (String::new(), String::new()));
    assert!(shm(["check", "--all"]).out.contains(&format!("{good}: ok")));
    for pattern in [good.replace("good", "*"), good.replace("good", "?a?")] {
        let ran = shm(["check", &pattern[1..]]).code(1);
        assert!(
            ran.out.starts_with(&format!("{bad}: orphaned: ")),
            "{ran:?}"
        );
        assert_eq!(ran.out.contains(&good), pattern.ends_with('*'), "{ran:?}");
    }
    let none = shm(["check", &missing.replace("missing", "x*"), &good]).code(3);
    assert!(
        none.err.contains("no segment has a name like `"),
        "{none:?}"
    );
    assert_eq!(none.out, format!("{good}: ok\n"));
    shm(["check"]).code(2);
    shm(["check", "--all", &good]).code(2);
    File::options()
        .write(true)
        .open(&dump)
        .unwrap()
        .set_len(600)
        .unwrap();
    let cut = shm(["check", dump_path]).code(1);
    assert!(cut.out.contains("damaged"), "{cut:?}");
    fs::remove_file(&dump).unwrap();
    shm(["check", dump_path]).code(3);
    fs::remove_file(Names::path(&bad)).unwrap();
    drop(shm_good);
}

#[test]
fn texts_of_a_segment_cannot_control_the_terminal() {
    let names = Names::new("check-\u{1b}[31m");
    let name = names.name("\u{7}\u{202e}");
    orphan(&name);
    let ran = shm_check(&name, 1);
    assert!(ran.out.contains("\\u{1b}[31m"), "{ran:?}");
    assert!(
        !ran.out.contains(['\u{1b}', '\u{7}', '\u{202e}']),
        "{ran:?}"
    );
    let missing = shm_check(&format!("{name}x"), 3);
    assert!(
        !missing.err.contains(['\u{1b}', '\u{7}', '\u{202e}']),
        "{missing:?}"
    );
    fs::remove_file(Names::path(&name)).unwrap();
}
