//! The texts of errors.

use super::*;

fn io_error(errno: Errno) -> io::Error {
    io::Error::from_raw_os_error(errno as i32)
}

#[test]
fn a_layout_mismatch_has_this_text() {
    let text = |name: &str, found: Option<&str>| {
        let difference = "field `temperature` is f64 at byte 40 in the segment and f32 at byte 40 in this program";
        let found = found.map(str::to_owned);
        ShmError::mismatch(
            found,
            "Telemetry".into(),
            Mismatch::Type,
            difference.into(),
            if name == ANONYMOUS {
                Remedy::Anonymous
            } else {
                Remedy::Owned
            },
        )
        .named(name)
        .to_string()
    };
    assert_eq!(
        text("/telemetry", Some("TelemetryWide")),
        "segment `/telemetry` holds a `TelemetryWide`, but this program expects a `Telemetry`: field `temperature` is f64 at \
         byte 40 in the segment and f32 at byte 40 in this program; build both programs from the same definition; its owner \
         is alive, or was killed a moment ago: to replace an outdated segment, stop its owner and set `wait(..)` in the options of the call that creates"
    );
    assert_eq!(
        text(ANONYMOUS, Some("Telemetry")),
        "anonymous segment holds a different `Telemetry` than this program's: field `temperature` is f64 at byte 40 in the \
         segment and f32 at byte 40 in this program; build both programs from the same definition"
    );
    assert!(text("/telemetry", None).starts_with(
        "segment `/telemetry` holds a different type than this program's `Telemetry`: field"
    ));
}

#[test]
fn hostile_type_names_are_escaped_and_shortened() {
    let name = "\x1b[31m\n".repeat(1000);
    let difference = format!("field `{name}` is only in the segment");
    let kind = Mismatch::Type;
    let text = ShmError::mismatch(Some(name), "u64".into(), kind, difference, Remedy::Owned)
        .named("/t")
        .to_string();
    assert!(!text.contains('\n') && !text.contains('\x1b'), "{text}");
    // Escaping makes up to six characters of one.
    assert!(text.len() < 6 * 1500, "{} bytes", text.len());
    assert!(
        text.contains("..`, but this program expects a `u64`"),
        "{text}"
    );
}

#[test]
fn errors_about_dumps_give_the_path_and_no_advice_on_names() {
    for path in ["state.shm", "/tmp/state.shm", "./a", "/state.shm"] {
        let name = || file_name(Path::new(path));
        let reason = || "the checksum is wrong".to_owned();
        let corrupt = ShmError::Corrupt {
            name: name(),
            reason: reason(),
        };
        let unsupported = ShmError::UnsupportedFormat {
            name: name(),
            reason: reason(),
        };
        for error in [corrupt, unsupported] {
            let text = error.to_string();
            assert!(text.starts_with(&format!("file `{path}` ")), "{text}");
            assert!(!text.contains("unlink"), "{text}");
        }
    }
}

#[test]
fn errors_about_descriptors_do_not_mention_names() {
    let text = ShmError::not_a_segment("it is not a memfd")
        .named(ANONYMOUS)
        .to_string();
    assert_eq!(
        text,
        "the descriptor is not an anonymous segment: it is not a memfd; pass one from `create_anonymous`, or use `attach` \
         for named segments"
    );
    let corrupt = ShmError::Corrupt {
        name: ANONYMOUS.into(),
        reason: "the checksum is wrong".into(),
    };
    assert!(!corrupt.to_string().contains("unlink"), "{corrupt}");
    for errno in [Errno::EACCES, Errno::EPERM] {
        let text = ShmError::from(SysError::new("mmap", errno))
            .named(ANONYMOUS)
            .to_string();
        assert!(text.contains("from_fd_read_only"), "{text}");
        let named = ShmError::from(SysError::new("mmap", errno))
            .named("/t")
            .to_string();
        assert!(!named.contains("descriptor"), "{named}");
    }
}

#[test]
fn every_variant_has_the_name_and_a_remedy() {
    let name = || "/t".to_owned();
    let cases: Vec<(ShmError, &[&str])> = vec![
        (
            ShmError::InvalidName {
                name: "t".into(),
                reason: "it must start with `/`",
                suggestion: None,
            },
            &["`t`", "must start"],
        ),
        (
            ShmError::not_found().named("/t"),
            &["`/t`", "its name was removed", "set `wait`"],
        ),
        (
            ShmError::exists(Existing::Live).named("/t"),
            &["`/t`", "live", "attach", "`supersede(true)`"],
        ),
        (
            ShmError::exists(Existing::Persistent).named("/t"),
            &["persistent", "unlink"],
        ),
        (
            ShmError::exists(Existing::OtherUser(17)).named("/t"),
            &["user 17", "another name"],
        ),
        (
            ShmError::exists(Existing::NotWritable).named("/t"),
            &["writing", "unlink"],
        ),
        (
            ShmError::exists(Existing::Unreadable).named("/t"),
            &["damaged", "unlink"],
        ),
        (
            ShmError::exists(Existing::NotASegment).named("/t"),
            &["not a segment", "another name"],
        ),
        (
            ShmError::from(SysError::new("shm_open", Errno::EACCES)).named("/t"),
            &["`/t`", "shm_open: Permission denied", "mode"],
        ),
        (
            ShmError::WrongOwner {
                name: name(),
                owner: 5,
                user: 6,
            },
            &["`/t`", "user 5", "user 6", "allowed_owner(5)"],
        ),
        (
            ShmError::WrongOwner {
                name: name(),
                owner: 5,
                user: 5,
            },
            &["`/t`", "user namespace", "user 5", "allowed_owner(5)"],
        ),
        (
            ShmError::not_a_segment("it is a FIFO").named("/t"),
            &["`/t`", "it is a FIFO", "check the name"],
        ),
        (
            ShmError::UnsupportedFormat {
                name: name(),
                reason: "format version 9".into(),
            },
            &["`/t`", "format version 9", "same version"],
        ),
        (
            ShmError::Corrupt {
                name: name(),
                reason: "the checksum is wrong".into(),
            },
            &["`/t`", "checksum", "unlink"],
        ),
        (
            ShmError::BadOffset {
                name: name(),
                offset: 17,
                reason: "no `Node` begins there".into(),
            },
            &["`/t`", "offset 17", "no `Node` begins there", "null"],
        ),
        (
            ShmError::NoSpace {
                name: name(),
                needed: 4096,
                available: 12,
                memory_limit: None,
            },
            &[
                "`/t`",
                "4096 bytes",
                "12 available",
                "No space left on device",
                "--shm-size",
            ],
        ),
        (
            ShmError::NoSpace {
                name: name(),
                needed: 4096,
                available: 12,
                memory_limit: Some(1000),
            },
            &[
                "`/t`",
                "4096 bytes",
                "limit of 1000 bytes leaves 12",
                "`memory.max`",
                "v1 `memory.limit_in_bytes`",
                "--memory",
            ],
        ),
        (
            ShmError::busy("another process keeps it locked", Duration::from_millis(20))
                .named("/t"),
            &["`/t`", "keeps it locked", "20ms", "timeout"],
        ),
        (
            ShmError::Os {
                name: name(),
                call: "mlock",
                source: io_error(Errno::ENOMEM),
            },
            &["`/t`", "mlock: Cannot allocate memory", "ulimit -l"],
        ),
        (
            ShmError::Os {
                name: name(),
                call: "memfd_create",
                source: io_error(Errno::EMFILE),
            },
            &["memfd_create: Too many open files", "ulimit -n"],
        ),
        (
            ShmError::from(SysError::new("open(O_TMPFILE)", Errno::EMFILE)).named("/t"),
            &["open(O_TMPFILE): Too many open files", "ulimit -n"],
        ),
        (
            ShmError::from(SysError::new("open(O_TMPFILE)", Errno::EACCES)).named("/t"),
            &["Permission denied", "sandbox (AppArmor"],
        ),
        (
            ShmError::from(SysError::new("shm_open", Errno::EROFS)).named("/t"),
            &["Read-only file system", "use `attach_read_only`"],
        ),
        (
            ShmError::from(SysError::new("shm_open(O_RDWR)", Errno::EROFS)).named("/t"),
            &["Read-only file system", "mount it for writing"],
        ),
        (
            ShmError::from(SysError::new("open(/proc/thread-self/fd)", Errno::ENOENT)).named("/t"),
            &["No such file", "mount /proc"],
        ),
        (
            ShmError::from(SysError::new("open(/proc/thread-self/fd)", Errno::EACCES)).named("/t"),
            &["Permission denied", "`take_part`", "`mode(0o666)`"],
        ),
        (
            ShmError::from(SysError::new("fcntl(F_OFD_SETLK)", Errno::EINVAL)).named("/t"),
            &["Invalid argument", "Linux 3.15"],
        ),
        (
            ShmError::from(SysError::new("linkat", Errno::EPERM)).named("/t"),
            &["not permitted", "seccomp"],
        ),
        (
            ShmError::from(SysError::new("memfd_create", Errno::EPERM)).named(ANONYMOUS),
            &["not permitted", "seccomp"],
        ),
        (
            ShmError::from(SysError::new("open(O_TMPFILE)", Errno::EROFS)).named("/t"),
            &["Read-only file system", "writable tmpfs"],
        ),
        (
            ShmError::from(SysError::new("fchown", Errno::EPERM)).named("/t"),
            &["fchown: Operation not permitted", "one of the groups"],
        ),
    ];
    for (error, parts) in cases {
        let text = error.to_string();
        for part in parts {
            assert!(text.contains(part), "{part:?} is missing in {text:?}");
        }
        assert!(!error.name().is_empty());
    }
}

#[test]
fn hostile_names_are_escaped() {
    let text = ShmError::from(SysError::new("mmap", Errno::ENOMEM))
        .named(ANONYMOUS)
        .to_string();
    assert!(text.starts_with("anonymous segment: mmap: "), "{text}");
    let text = ShmError::not_found().named("/a\n\x1b[31m").to_string();
    assert!(!text.contains('\n') && !text.contains('\x1b'), "{text}");
}
