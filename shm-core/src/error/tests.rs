//! What users read.

use super::*;

fn io_error(errno: Errno) -> io::Error {
    io::Error::from_raw_os_error(errno as i32)
}

#[test]
fn a_layout_mismatch_reads_exactly_like_this() {
    let error = ShmError::LayoutMismatch {
        name: "/telemetry".into(),
        difference: "field `temperature` is f64 at byte 40 in the segment and f32 at byte 40 in this program".into(),
    };
    assert_eq!(
        error.to_string(),
        "segment `/telemetry` holds another layout: field `temperature` is f64 at byte 40 in the segment and f32 at \
         byte 40 in this program"
    );
}

#[test]
fn what_main_prints_of_it_is_the_variant_and_the_text() {
    let error = ShmError::not_found("/t");
    assert_eq!(format!("{error:?}"), format!("NotFound: {error}"));
    assert_eq!(format!("{error:#?}"), format!("NotFound: {error}"));
}

#[test]
fn every_variant_says_its_name_and_what_to_do() {
    let name = || "/t".to_owned();
    let cases: Vec<(ShmError, &[&str])> = vec![
        (
            ShmError::InvalidName {
                name: "t".into(),
                reason: "it must start with `/`",
            },
            &["`t`", "must start"],
        ),
        (
            ShmError::not_found("/t"),
            &["`/t`", "wait for the process that creates it", "`wait`"],
        ),
        (
            ShmError::exists("/t", Existing::Live),
            &["`/t`", "live", "attach", "`supersede(true)`"],
        ),
        (
            ShmError::exists("/t", Existing::Persistent),
            &["persistent", "unlink"],
        ),
        (
            ShmError::exists("/t", Existing::OtherUser(17)),
            &["user 17", "another name"],
        ),
        (
            ShmError::exists("/t", Existing::NotWritable),
            &["writing", "unlink"],
        ),
        (
            ShmError::exists("/t", Existing::Unreadable),
            &["damaged", "unlink"],
        ),
        (
            ShmError::exists("/t", Existing::NotASegment),
            &["not a segment", "another name"],
        ),
        (
            ShmError::from_sys("/t", SysError::new("shm_open", Errno::EACCES)),
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
            ShmError::not_a_segment("/t", "it is a FIFO"),
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
            ShmError::busy(
                "/t",
                "another process keeps it locked",
                Duration::from_millis(20),
            ),
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
            ShmError::from_sys("/t", SysError::new("open(O_TMPFILE)", Errno::EMFILE)),
            &["open(O_TMPFILE): Too many open files", "ulimit -n"],
        ),
        (
            ShmError::from_sys("/t", SysError::new("open(O_TMPFILE)", Errno::EACCES)),
            &["Permission denied", "writable tmpfs"],
        ),
        (
            ShmError::from_sys("/t", SysError::new("fchown", Errno::EPERM)),
            &["fchown: Operation not permitted", "only a group"],
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
fn the_system_error_is_the_source() {
    let error = ShmError::from_sys("/t", SysError::new("mmap", Errno::ENOMEM));
    let source = error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>())
        .unwrap();
    assert_eq!(source.raw_os_error(), Some(Errno::ENOMEM as i32));
    assert!(ShmError::not_found("/t").source().is_none());
}

#[test]
fn a_segment_without_a_name_and_a_hostile_name_are_told_safely() {
    let text = ShmError::from_sys(ANONYMOUS, SysError::new("mmap", Errno::ENOMEM)).to_string();
    assert!(text.starts_with("anonymous segment: mmap: "), "{text}");
    let text = ShmError::not_found("/a\n\x1b[31m").to_string();
    assert!(!text.contains('\n') && !text.contains('\x1b'), "{text}");
}
