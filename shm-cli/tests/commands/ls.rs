//! `shm ls`.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use shm_core::ShmLayout;
use shm_core::sync::Mutex;
use shm_tests::Names;

use crate::common::{Ran, command, on_terminal, output, run_on_terminal, shm, start};

/// What `ls` lists of a test's names, by their last parts.
struct Listed {
    names: Names,
    prefix: String,
}

impl Listed {
    fn new(tag: &str) -> Self {
        let names = Names::new(tag);
        let prefix = names.name("");
        Self { names, prefix }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        shm([&["ls", &self.prefix], arguments].concat())
    }

    fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let listed = self.run(&[arguments, &["--json"]].concat()).code(0);
        let document: Value = serde_json::from_str(&listed.out).unwrap();
        assert_eq!(document["schema"], "shm.ls");
        assert_eq!(document["version"], 1);
        document["segments"].as_array().unwrap().clone()
    }

    fn order(&self, arguments: &[&str]) -> Vec<String> {
        let segments = self.json(arguments);
        let names = segments.iter().map(|segment| segment["name"].as_str());
        let parts = names.map(|name| name.unwrap().strip_prefix(&self.prefix).unwrap());
        parts.map(str::to_owned).collect()
    }
}

#[test]
fn a_segment_is_listed_with_its_users() {
    let listed = Listed::new("ls");
    let name = listed.names.name("counter");
    let _shm = Mutex::<u64>::create(&name).unwrap();
    let segments = listed.json(&[]);
    let [segment] = &segments[..] else {
        panic!("{segments:?}");
    };
    assert_eq!(segment["name"], name);
    assert_eq!(segment["type"], "Mutex<u64>");
    assert_eq!(segment["size"], 4096);
    assert_eq!(segment["mode"], "0600");
    assert_eq!(segment["state"], "live");
    assert_eq!(segment["owned"], true);
    let users = segment["users"].as_array().unwrap();
    let [user] = &users[..] else {
        panic!("{users:?}");
    };
    assert_eq!(user["pid"], std::process::id());
    let main = fs::read_to_string(format!("/proc/{}/comm", std::process::id())).unwrap();
    assert_eq!(user["name"], main.trim_end());
    let text = listed.run(&[]).code(0).out;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with("NAME "), "{text}");
    assert!(lines[0].ends_with("  USERS"), "{text}");
    assert!(lines[1].contains("  Mutex<u64>  4 KiB  0600  "), "{text}");
    let user = format!("  live   {} {}", std::process::id(), main.trim_end());
    assert!(lines[1].ends_with(&user), "{text}");
}

#[test]
fn read_only_users_are_found_as_well() {
    let listed = Listed::new("ls-reader");
    let name = listed.names.name("number");
    let shm = u64::create(&name).unwrap();
    shm.persist().unwrap();
    drop(shm);
    assert_eq!(listed.json(&[])[0]["users"], serde_json::json!([]));
    let _reader = u64::attach_read_only(&name).unwrap();
    let segment = &listed.json(&[])[0];
    assert_eq!(segment["users"][0]["pid"], std::process::id());
    assert_eq!(segment["state"], "persistent");
    fs::remove_file(Names::path(&name)).unwrap();
}

#[test]
fn keys_sort_and_can_be_reversed() {
    let listed = Listed::new("ls-sort");
    let _b = <[u64; 10_000]>::create(&listed.names.name("b")).unwrap();
    let _c = u32::create(&listed.names.name("c")).unwrap();
    let _a = <[u8; 20_000]>::create(&listed.names.name("a")).unwrap();
    assert_eq!(listed.order(&[]), ["a", "b", "c"]);
    assert_eq!(listed.order(&["--reverse"]), ["c", "b", "a"]);
    assert_eq!(listed.order(&["--sort", "size"]), ["b", "a", "c"]);
    assert_eq!(listed.order(&["-s", "size", "-r"]), ["c", "a", "b"]);
    assert_eq!(listed.order(&["--sort", "age"]), ["a", "c", "b"]);
    // `[u64; 10000]` comes before `[u8; 20000]`.
    assert_eq!(listed.order(&["--sort", "type"]), ["b", "a", "c"]);
    assert_eq!(listed.order(&["--sort", "users"]), ["a", "b", "c"]);
}

#[test]
fn names_types_and_states_are_filters() {
    let listed = Listed::new("ls-filter");
    let name = |part: &str| listed.names.name(part);
    let _live = u64::create(&name("live")).unwrap();
    let kept = u32::create(&name("kept")).unwrap();
    kept.persist().unwrap();
    drop(kept);
    let foreign = Names::path(&name("foreign"));
    fs::write(&foreign, "no segment").unwrap();
    let damaged = <[u8; 10_000]>::create(&name("damaged")).unwrap();
    damaged.persist().unwrap();
    drop(damaged);
    let path = Names::path(&name("damaged"));
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(4096).unwrap();

    assert_eq!(listed.order(&[]), ["damaged", "kept", "live"]);
    let all = ["damaged", "foreign", "kept", "live"];
    assert_eq!(listed.order(&["--all"]), all);
    assert_eq!(listed.order(&["--type", "u64"]), ["live"]);
    assert_eq!(listed.order(&["--type", "u*"]), ["kept", "live"]);
    assert_eq!(listed.order(&["--state", "live"]), ["live"]);
    let both = listed.order(&["--state", "damaged,foreign"]);
    assert_eq!(both, ["damaged", "foreign"]);
    let pattern = format!("{}*e?", listed.prefix.trim_start_matches('/'));
    let found = shm(["ls", &pattern, "--json"]).code(0).out;
    assert!(found.contains("damaged") && !found.contains("kept"));
    // The reason is where users would be.
    let text = listed.run(&["--state", "damaged"]).code(0).out;
    assert!(text.contains("  damaged  "), "{text}");
    let reason = &listed.json(&["--state", "damaged"])[0]["reason"];
    assert!(text.contains(reason.as_str().unwrap()), "{text}");
    fs::remove_file(path).unwrap();
    fs::remove_file(foreign).unwrap();
    fs::remove_file(Names::path(&name("kept"))).unwrap();
}

#[test]
fn nothing_found_says_what_to_do_next() {
    let listed = Listed::new("ls-nothing");
    let ran = listed.run(&[]).code(3);
    assert!(ran.err.contains("`shm ls` lists all"), "{ran:?}");
    assert_eq!(ran.out, "");
    shm(["ls", "--state", "nonsense"]).code(2);
}

#[test]
fn hostile_names_are_escaped() {
    let listed = Listed::new("ls-hostile");
    let name = listed.names.name("\u{1b}[2J\n\u{202e}x");
    let _shm = u64::create(&name).unwrap();
    for arguments in [&[][..], &["--json"], &["--color=always"]] {
        let out = listed.run(arguments).code(0).out;
        for part in ["\u{1b}[2J", "\u{202e}"] {
            assert!(!out.contains(part), "{out:?}");
        }
    }
    let out = listed.run(&[]).code(0).out;
    assert!(out.contains(r"\u{1b}[2J\n\u{202e}x"), "{out}");
    assert_eq!(out.lines().count(), 2, "{out}");
    assert_eq!(listed.order(&[]), ["\u{1b}[2J\n\u{202e}x"]);
}

#[test]
fn lines_fit_the_terminal() {
    let listed = Listed::new("ls-narrow");
    let long = listed
        .names
        .name("a-name-that-is-longer-than-the-terminal-is-wide");
    let _shm = Mutex::<[[u64; 4]; 4]>::create(&long).unwrap();
    for columns in [40, 60, 80, 200] {
        let shown = on_terminal((columns, 24), ["ls", &listed.prefix]);
        for line in shown.lines() {
            let width = line.chars().count();
            assert!(width <= columns.into(), "{columns}: {shown}");
        }
        assert!(shown.contains("SIZE") && shown.contains("live"), "{shown}");
    }
    let shown = on_terminal((200, 24), ["ls", &listed.prefix]);
    assert!(shown.contains(&long), "{shown}");
    assert!(shown.contains("Mutex<[[u64; 4]; 4]>"), "{shown}");
}

#[test]
fn a_terminal_may_be_narrower_than_states() {
    let listed = Listed::new("ls-narrower");
    let name = listed.names.name("x");
    let shm = u64::create(&name).unwrap();
    shm.persist().unwrap();
    for columns in [24, 30, 36] {
        let shown = on_terminal((columns, 24), ["ls", &listed.prefix]);
        for line in shown.lines() {
            assert!(line.chars().count() <= columns.into(), "{columns}: {shown}");
        }
        assert!(shown.contains('…'), "{shown}");
    }
    drop(shm);
    fs::remove_file(Names::path(&name)).unwrap();
}

#[test]
fn a_long_name_of_a_type_does_not_pad_rows() {
    #[derive(ShmLayout)]
    #[repr(C)]
    struct TypeWhoseNameIsLongerThanTheColumnOfTypesMayBe {
        x: u64,
    }
    let listed = Listed::new("ls-type");
    let name = listed.names.name("x");
    let _shm = TypeWhoseNameIsLongerThanTheColumnOfTypesMayBe::create(&name).unwrap();
    let out = listed.run(&[]).code(0).out;
    assert!(out.contains("  TypeWhoseName"), "{out}");
    assert!(out.contains("…  4 KiB  "), "{out}");
    let whole = listed.json(&[])[0]["type"].as_str().unwrap().len();
    assert_eq!(whole, 46);
}

/// Runs `shm` as a user that cannot open files of mode 0000: root runs it as another user. `None` if that user may not run it.
fn as_another(arguments: &[&str]) -> Option<Ran> {
    let mut command = command();
    if nix::unistd::geteuid().is_root() {
        command.uid(65_534);
    }
    command.args(arguments).stdout(Stdio::piped());
    let child = match start(command.stderr(Stdio::piped())) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return None,
        child => child.unwrap(),
    };
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(Ran {
        code: output.status.code().unwrap(),
        out: text(&output.stdout),
        err: text(&output.stderr),
    })
}

#[test]
fn a_segment_that_cannot_be_opened_is_not_missing() {
    let listed = Listed::new("ls-unreadable");
    let name = listed.names.name("x");
    let _shm = u64::create(&name).unwrap();
    let locked = fs::Permissions::from_mode(0o000);
    fs::set_permissions(Names::path(&name), locked).unwrap();
    let Some(ran) = as_another(&["ls", &name]) else {
        println!("skipped: the program is in a directory that is closed to other users");
        return;
    };
    let ran = ran.code(4);
    assert_eq!(ran.out, "");
    let message = format!("`{name}` exists, but this user cannot open it");
    assert!(ran.err.contains(&message), "{ran:?}");
    let ran = as_another(&["ls"]).unwrap().code(0);
    assert!(ran.err.contains("cannot be opened by this user"), "{ran:?}");
    assert!(!ran.out.contains(&name), "{ran:?}");
    for option in ["--all", "--state=unreadable"] {
        let ran = as_another(&["ls", &name, option]).unwrap().code(0);
        assert!(ran.out.contains("  unreadable  "), "{ran:?}");
        assert_eq!(ran.err, "");
    }
    as_another(&["ls", &name, "--state=foreign"])
        .unwrap()
        .code(3);
}

#[test]
fn names_that_are_not_utf8_are_listed_with_all() {
    let listed = Listed::new("ls-bytes");
    let name = [listed.names.name("a").as_bytes(), b"\xff'\x1b"].concat();
    let path = [b"/dev/shm", &name[..]].concat();
    let path = PathBuf::from(OsStr::from_bytes(&path));
    fs::write(&path, "x").unwrap();
    listed.run(&[]).code(3);
    let ran = listed.run(&["--all"]).code(0);
    let shown = format!(r"$'{}a\xff\'\x1b'", Names::path(&listed.prefix).display());
    let advice = format!("`rm {shown}` removes the file");
    assert!(ran.out.contains(&advice), "{ran:?}");
    let json = listed.run(&["--all", "--json"]).code(0).out;
    let document: Value = serde_json::from_str(&json).unwrap();
    let escaped = document["not_utf8"][0].as_str().unwrap();
    assert!(escaped.ends_with(r"a\xff\'\x1b"), "{escaped}");
    // The advice works in a shell.
    let mut shell = std::process::Command::new("bash");
    shell.arg("-c").arg(format!("rm {shown}"));
    assert!(output(&mut shell).status.success());
    assert!(!path.exists());
}

#[test]
fn columns_of_the_environment_are_those_of_the_terminal() {
    let listed = Listed::new("ls-columns");
    let _shm = u64::create(&listed.names.name("x")).unwrap();
    let widest = |size: u16, columns: &str| {
        let mut command = command();
        command.args(["ls", &listed.prefix]).env("COLUMNS", columns);
        let shown = run_on_terminal((size, size), command);
        shown.lines().map(|line| line.chars().count()).max()
    };
    assert!(widest(200, "40") <= Some(40));
    assert!(widest(200, "none") > Some(40));
    // A terminal that does not know its size.
    assert!(widest(0, "") <= Some(80));
}
