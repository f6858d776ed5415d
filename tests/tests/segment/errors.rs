//! Every error that a user can meet.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, chown};
use std::time::Duration;

use shm_core::dynamic::DynSegment;
use shm_core::segment::Existing;
use shm_core::{ShmError, ShmLayout, ShmOffset};
use shm_tests::hostile::Forgery;
use shm_tests::lock_bytes::{ATTACH, NAME, OWNER};
use shm_tests::{Names, Peer, Telemetry, TelemetryWide, is_root, peer, variant};

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(u32)]
enum Kind {
    Only = 1,
}

/// A type for which zero bytes are invalid.
#[derive(ShmLayout)]
#[repr(C)]
struct NotZero {
    kind: Kind,
}

/// More than any machine has.
type Impossible = [u64; 1 << 57];

#[track_caller]
fn error<T>(result: Result<T, ShmError>) -> ShmError {
    match result {
        Ok(_) => panic!("this should have been refused"),
        Err(error) => error,
    }
}

#[track_caller]
fn existing<T>(result: Result<T, ShmError>) -> Existing {
    match error(result) {
        ShmError::AlreadyExists { existing, .. } => existing,
        other => panic!("{other}"),
    }
}

fn file(name: &str) -> File {
    File::options()
        .read(true)
        .write(true)
        .open(Names::path(name))
        .unwrap()
}

/// A process that locks a byte and keeps the lock.
fn pin(name: &str, byte: i64, kind: &str) -> Peer {
    peer!("pin {name} {byte} {kind}")
}

/// The variants, from the source: the enum is `non_exhaustive`, so the compiler does not report a new one.
fn all_variants() -> BTreeSet<String> {
    let source = include_str!("../../../shm-core/src/error/mod.rs");
    let (_, body) = source.split_once("pub enum ShmError {\n").unwrap();
    let (body, _) = body.split_once("\n}").unwrap();
    body.lines()
        .filter_map(|line| {
            let line = line.strip_prefix("    ")?;
            let name: String = line
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            (!name.is_empty()).then_some(name)
        })
        .collect()
}

/// Each with the text that a user would act on.
fn met(names: &Names) -> Vec<(ShmError, &'static str)> {
    let taken = names.name("taken");
    let owner = Telemetry::create(&taken).unwrap();
    let mut met = vec![
        (error(Telemetry::create("no-slash")), "write `/no-slash`"),
        (
            error(Telemetry::attach(&names.name("none"))),
            "does not exist",
        ),
        (error(Telemetry::create(&taken)), "attach too"),
        (
            error(TelemetryWide::attach(&taken)),
            "expects a `TelemetryWide`",
        ),
        (
            error(owner.resolve(ShmOffset::<u64>::from_raw(7))),
            "offset 7 is invalid",
        ),
        (
            error(NotZero::create_with(&names.name("zero"), |_| {})),
            "`kind`",
        ),
        (
            error(Impossible::create(&names.name("large"))),
            "No space left on device",
        ),
        (
            error(Impossible::create_anonymous()),
            "No space left on device",
        ),
    ];

    let other = names.name("other");
    fs::write(Names::path(&other), [7; 5000]).unwrap();
    met.push((error(Telemetry::attach(&other)), "not a segment"));
    fs::remove_file(Names::path(&other)).unwrap();

    let mut huge = Forgery::of(fs::read(Names::path(&taken)).unwrap());
    huge.replace_schema(&[0; (1 << 20) + 1]);
    huge.fix_checksum();
    huge.bytes.resize(usize::try_from(huge.len).unwrap(), 0);
    fs::write(Names::path(&other), huge.bytes).unwrap();
    met.push((
        error(DynSegment::attach_read_only(&other)),
        "its schema has 1048577 bytes",
    ));
    fs::remove_file(Names::path(&other)).unwrap();

    let pinned = pin(&taken, NAME, "shared");
    let impatient = Telemetry::options().timeout(Duration::from_millis(5));
    let hasty = impatient.attach(&taken).unwrap();
    met.push((error(hasty.unlink()), "for 5ms"));
    drop(pinned);

    let patched = file(&taken);
    let mut version = [0; 2];
    patched.read_exact_at(&mut version, 8).unwrap();
    patched.write_all_at(&99u16.to_ne_bytes(), 8).unwrap();
    met.push((error(Telemetry::attach(&taken)), "format version 99"));
    patched.write_all_at(&version, 8).unwrap();
    drop(Telemetry::attach(&taken).unwrap());
    patched.write_all_at(&[0xff], 24).unwrap();
    met.push((error(Telemetry::attach(&taken)), "damaged"));
    drop(owner);
    met
}

#[test]
fn every_error_variant_is_reached() {
    let mut all = all_variants();
    assert!(all.contains("NotFound") && all.len() >= 12, "{all:?}");
    let names = Names::new("variants");
    let mut reached = BTreeSet::new();
    for (error, part) in met(&names) {
        let text = error.to_string();
        assert!(text.contains(part), "{text}");
        assert!(
            error.name() == "(anonymous)" || text.contains(error.name()),
            "{text}"
        );
        reached.insert(variant(&error));
    }

    // The rest needs a process in a state that this one should not enter.
    let name = names.name("t");
    let (mut owner, mut other) = (peer!(), peer!());
    other.ok("limit files 3");
    let text = other.refused(&format!("open s create {name}"), "Os");
    assert!(
        text.contains("open(O_TMPFILE): Too many open files"),
        "{text}"
    );
    assert!(text.contains("ulimit -n"), "{text}");
    let text = other.refused("open s anonymous -", "Os");
    assert!(
        text.starts_with("anonymous segment: memfd_create: "),
        "{text}"
    );
    reached.insert("Os".to_owned());
    other.ok("limit files 64");

    owner.ok(&format!("open s create {name} mode=000"));
    if is_root("the variant `WrongOwner`") {
        // Root may open everything, so another user has to try.
        chown(Names::path(&name), Some(54321), None).unwrap();
        let text = other.refused(&format!("open s attach {name}"), "WrongOwner");
        assert!(text.contains("allowed_owner(54321)"), "{text}");
        chown(Names::path(&name), Some(0), None).unwrap();
        reached.insert("WrongOwner".to_owned());
        other.ok("setuid 54321");
    } else {
        assert_eq!(existing(Telemetry::create(&name)), Existing::NotWritable);
        all.remove("WrongOwner");
    }
    let text = other.refused(&format!("open s attach {name}"), "PermissionDenied");
    assert!(text.contains("shm_open: Permission denied"), "{text}");
    reached.insert("PermissionDenied".to_owned());

    assert_eq!(reached, all);
}

#[test]
fn layout_mismatch_names_the_first_difference() {
    let names = Names::new("layout");
    let name = names.name("telemetry");
    let (mut owner, mut other) = (peer!(), peer!());
    owner.ok(&format!("open s create {name} type=wide"));
    for how in ["attach", "read", "join"] {
        assert_eq!(
            other.refused(&format!("open s {how} {name}"), "LayoutMismatch"),
            format!(
                "segment `{name}` holds a `TelemetryWide`, but this program expects a `Telemetry`: field `temperature` is f64 at \
                 byte 40 in the segment and f32 at byte 40 in this program; build both programs from the same definition; \
                 its owner is alive, or was killed a moment ago: to replace an outdated segment, \
                 stop its owner and set `wait(..)` in the options of the call that creates"
            )
        );
    }
    owner.ok("drop s");
    owner.ok(&format!("open s create {name}"));
    assert_eq!(
        other.refused(&format!("open s attach {name} type=wide"), "LayoutMismatch"),
        format!(
            "segment `{name}` holds a `Telemetry`, but this program expects a `TelemetryWide`: field `temperature` is f32 at byte \
             40 in the segment and f64 at byte 40 in this program; build both programs from the same definition; its owner \
         is alive, or was killed a moment ago: to replace an outdated segment, stop its owner and set `wait(..)` in the options of the call that creates"
        )
    );
    // The refusals have changed nothing.
    other.ok(&format!("open s attach {name}"));
}

#[test]
fn the_remedy_for_a_renamed_field_makes_it_attach() {
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Before {
        speed: f64,
    }
    #[derive(ShmLayout)]
    #[repr(C)]
    struct After {
        velocity: f64,
    }
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Mended {
        #[shm(rename = "speed")]
        velocity: f64,
    }
    let names = Names::new("renamed");
    let name = names.name("t");
    let before = Before::create(&name).unwrap();
    before.speed.set(2.5);
    let refused = error(After::attach(&name)).to_string();
    let difference = "field `velocity` (f64 at byte 0) is called `speed` in the segment (if it is the same value, add \
                      `#[shm(rename = \"speed\")]` to it)";
    assert!(refused.contains(difference), "{refused}");
    assert_eq!(Mended::attach(&name).unwrap().velocity.get(), 2.5);
}

#[test]
fn already_exists_says_what_has_the_name() {
    let names = Names::new("existing");
    let name = names.name("t");
    let owner = Telemetry::create(&name).unwrap();
    assert_eq!(existing(Telemetry::create(&name)), Existing::Live);
    owner.persist().unwrap();
    drop(owner);
    assert_eq!(existing(Telemetry::create(&name)), Existing::Persistent);
    file(&name).write_all_at(&[0xff], 24).unwrap();
    assert_eq!(existing(Telemetry::create(&name)), Existing::Unreadable);
    file(&name).write_all_at(&[0xff], 0).unwrap();
    assert_eq!(existing(Telemetry::create(&name)), Existing::NotASegment);
    if is_root("giving a file away") {
        chown(Names::path(&name), Some(54321), None).unwrap();
        assert_eq!(
            existing(Telemetry::create(&name)),
            Existing::OtherUser(54321)
        );
    }
    Telemetry::unlink(&name).unwrap();
    assert!(matches!(
        error(Telemetry::unlink(&name)),
        ShmError::NotFound { .. }
    ));
}

#[test]
fn a_truncated_file_is_an_error_and_no_sigbus() {
    let names = Names::new("cut");
    let name = names.name("t");
    let mut peer = peer!();
    for len in [1, 7, 8, 255, 256, 300, 4095] {
        peer.ok(&format!("open s create {name}"));
        peer.kill();
        file(&name).set_len(len).unwrap();
        let expected = if len < 8 { "NotASegment" } else { "Corrupt" };
        peer = peer!();
        for how in ["attach", "read", "join"] {
            peer.refused(&format!("open s {how} {name}"), expected);
        }
        peer.refused(&format!("open s create {name}"), "AlreadyExists");
        peer.ok(&format!("remove {name}"));
    }
}

#[test]
fn a_lock_pinned_forever_is_an_error_in_time() {
    let names = Names::new("pinned");
    let name = names.name("t");
    let (mut owner, mut other) = (peer!(), peer!());
    owner.ok(&format!("open s create {name}"));
    owner.kill();
    let text = {
        let _replacing = pin(&name, ATTACH, "exclusive");
        for how in ["attach", "read", "create"] {
            other.refused(&format!("open s {how} {name} timeout=3"), "Busy");
        }
        other.refused(&format!("open s join {name} timeout=3"), "Busy")
    };
    assert!(text.contains("for 3ms"), "{text}");
    {
        let _removing = pin(&name, OWNER, "exclusive");
        other.refused(&format!("open s join {name} timeout=3"), "Busy");
        other.ok(&format!("open s attach {name}"));
        other.ok("drop s");
    }
    {
        let _pinned = pin(&name, NAME, "shared");
        other.refused(&format!("open s create {name} timeout=3"), "Busy");
    }
    // The locks were released with the processes, so no call has to wait.
    other.ok(&format!("open s create {name} timeout=0"));
}
