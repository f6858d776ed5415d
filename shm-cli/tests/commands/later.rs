//! A field whose type a later version of the library has added: each command shows what is known of it, and nothing writes it.

use std::fs;

use shm_core::sync::Mutex;
use shm_core::{Shm, ShmLayout};
use shm_tests::Names;
use shm_tests::hostile::{Forgery, forge_later};

use crate::common::shm;

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Echo {
    at: u64,
    /// Becomes a type of a later format.
    raw: [u64; 2],
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Rover {
    frame: u64,
    /// Becomes a type of a later format.
    lidar: [u64; 2],
    echoes: [Echo; 2],
    lock: Mutex<Echo>,
    #[shm(since = 1)]
    speed: f64,
}

fn rover(name: &str) -> Shm<Rover> {
    let shm = Rover::create(name).unwrap();
    let mut file = fs::read(Names::path(name)).unwrap();
    assert_eq!(forge_later(&mut file, 2, 16, 8), 3);
    // The type has another fingerprint, too.
    file[80] ^= 1;
    let mut forgery = Forgery::of(file);
    forgery.fix_checksum();
    fs::write(Names::path(name), forgery.bytes).unwrap();
    shm.frame.set(7);
    shm.lidar.write_from(
        &[
            u64::from_be_bytes(*b"Hi there"),
            u64::from_be_bytes(*b", rover!"),
        ]
        .map(|word| u64::from_ne_bytes(word.to_be_bytes())),
    );
    shm.speed.set(1.5);
    shm
}

const TYPE: &str = "a type of a later format (tag 200)";

#[test]
fn parts_of_a_later_format_are_shown_as_bytes() {
    let names = Names::new("later-show");
    let name = names.name("rover");
    let _shm = rover(&name);
    assert!(shm(["ls", &name]).code(0).out.contains("Rover"));
    let shown = shm(["show", &name]).code(0).out;
    let bytes = "0000  48 69 20 74 68 65 72 65  2c 20 72 6f 76 65 72 21  |Hi there, rover!|";
    for part in ["frame", "7", "lidar", TYPE, bytes, "speed", "1.5"] {
        assert!(shown.contains(part), "{shown}");
    }
    let shown = shm(["show", &name, "lidar"]).code(0).out;
    assert!(shown.contains(TYPE) && shown.contains(bytes), "{shown}");
    let document = shm(["show", &name, "--json"]).code(0).out;
    assert!(
        document
            .contains(r#""lidar":[72,105,32,116,104,101,114,101,44,32,114,111,118,101,114,33]"#),
        "{document}"
    );
    let got = shm(["get", &name, "frame", "lidar", "lock.at"]).code(0).out;
    assert_eq!(got, "7\nb\"Hi there, rover!\"\n0\n");
    assert_eq!(
        shm(["get", &name, "lidar", "--raw"]).code(0).out,
        "Hi there, rover!\n"
    );
    let got = shm(["get", &name, "--json", "echoes"]).code(0).out;
    assert!(got.contains(r#"{"at":0,"raw":[0,0,0"#), "{got}");
    let error = shm(["get", &name, "lidar[0]"]).code(3).err;
    assert!(error.contains(TYPE), "{error}");
}

#[test]
fn parts_of_a_later_format_are_in_layouts() {
    let names = Names::new("later-layout");
    let name = names.name("rover");
    let _shm = rover(&name);
    let table = shm(["layout", &name]).code(0).out;
    for part in ["frame", "lidar", TYPE, "lock", "speed"] {
        assert!(table.contains(part), "{table}");
    }
    let document = shm(["layout", &name, "--json"]).code(0).out;
    let span = format!(
        r#"{{"offset":8,"size":16,"kind":"field","path":"lidar","type":"{TYPE}","written_by":"","since":0}}"#
    );
    assert!(document.contains(&span), "{document}");
    assert!(shm(["layout", &name, "lidar"]).code(0).out.contains(TYPE));
    let drawn = shm(["layout", &name, "--svg", "-"]).code(0).out;
    assert!(drawn.contains("lidar") && drawn.contains(TYPE), "{drawn}");

    let node = r#""size":16,"align":8,"fingerprint":null,"kind":"unknown","tag":200}"#;
    let tree = shm(["export", &name, "--lang", "schema", "--json"])
        .code(0)
        .out;
    assert!(tree.contains(node), "{tree}");
    let header = shm(["export", &name, "--lang", "c"]).code(0).out;
    let member = "unsigned char lidar[16]; /* bytes of a type of a later format */";
    assert!(header.contains(member), "{header}");
    assert!(
        shm(["export", &name, "--lang", "cpp"])
            .code(0)
            .out
            .contains(member)
    );
    let same = shm(["diff", &name, &name]).code(0).out;
    assert!(same.contains("same"), "{same}");
    let other = names.name("other");
    let _other = Rover::create(&other).unwrap();
    let different = shm(["diff", &name, &other]).code(1).out;
    assert!(different.contains(TYPE), "{different}");
    let values = shm(["diff", &name, &other, "--values"]).code(1).out;
    assert!(values.contains("lidar"), "{values}");
}

#[test]
fn parts_of_a_later_format_are_not_set() {
    let names = Names::new("later-set");
    let name = names.name("rover");
    let segment = rover(&name);
    for (path, value) in [
        ("lidar", r#"b"0123456789abcdef""#),
        ("echoes[1]", r#"{at: 1, raw: b""}"#),
    ] {
        let assignment = format!("{path}={value}");
        let error = shm(["set", &name, "frame=9", &assignment, "--yes"])
            .code(4)
            .err;
        assert!(
            error.contains("it has a type of a later format, which this version does not know"),
            "{error}"
        );
    }
    assert_eq!(segment.frame.get(), 7);
    shm([
        "set",
        &name,
        "frame=9",
        "lock.at=5",
        "echoes[1].at=6",
        "speed=2",
        "--yes",
    ])
    .code(0);
    assert_eq!((segment.frame.get(), segment.speed.get()), (9, 2.0));
    assert_eq!(segment.lock.lock().unwrap().at.get(), 5);
    assert_eq!(segment.echoes[1].at.get(), 6);
}

#[test]
fn parts_of_a_later_format_are_watched() {
    let names = Names::new("later-watch");
    let name = names.name("rover");
    let _shm = rover(&name);
    let followed = shm(["show", &name, "--follow", "--count", "1"]).code(0).out;
    assert!(followed.contains(r#""lidar":[72,"#), "{followed}");
    let measured = shm(["hz", &name, "lidar", "-d", "10ms"]).code(0).out;
    assert!(measured.contains("0 changes"), "{measured}");
    #[cfg(feature = "watch")]
    {
        let lines = shm(["watch", "--csv", "-n", "1", &name]).code(0).out;
        assert!(lines.contains(r#"Hi there, rover!"#), "{lines}");
        let lines = shm(["watch", "--json", "-n", "1", &name, "lidar"])
            .code(0)
            .out;
        assert!(lines.contains("[72,105,"), "{lines}");
    }
}

#[test]
fn check_names_the_parts_of_a_later_format() {
    let names = Names::new("later-check");
    let name = names.name("rover");
    let _shm = rover(&name);
    let checked = shm(["check", &name]).code(0).out;
    for path in ["lidar", "echoes.raw", "lock.raw"] {
        let line = format!("`{path}` was not checked: it has {TYPE}");
        assert!(checked.contains(&line), "{checked}");
    }
    assert!(checked.contains("ok"), "{checked}");
    let document = shm(["check", &name, "--json"]).code(0).out;
    for part in [
        r#""later_formats":["lidar","echoes.raw","lock.raw"]"#,
        r#""ok":true"#,
    ] {
        assert!(document.contains(part), "{document}");
    }
}

#[test]
fn parts_of_a_later_format_are_dumped_and_not_restored() {
    let names = Names::new("later-dump");
    let name = names.name("rover");
    let _shm = rover(&name);
    let other = names.name("other");
    let kept = u64::create(&other).unwrap();
    let file = std::env::temp_dir().join(&name[1..]);
    let path = file.to_str().unwrap();
    shm(["dump", &name, path]).code(0);
    let shown = shm(["get", path, "lidar"]).code(0).out;
    assert_eq!(shown, "b\"Hi there, rover!\"\n");
    assert!(
        shm(["check", path])
            .code(0)
            .out
            .contains("`lidar` was not checked")
    );
    // What has the name stays.
    let error = shm(["restore", path, &other, "--replace", "--yes"])
        .code(4)
        .err;
    for part in [
        "`lidar` in ",
        "has a type of a later format (tag 200)",
        "use the same version",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert!(kept.is_current());
    fs::remove_file(file).unwrap();
}
