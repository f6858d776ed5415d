//! The bytes of real segments match `shm-core/docs/format.md`.

use std::fs::File;
use std::io::Write;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::fcntl::{FcntlArg, fcntl};
use shm_core::ShmLayout;
use shm_tests::lock_bytes::LEVELS;
use shm_tests::{no_child_starts, start};

mod collections;
mod forged;
mod levels;
mod one_writer;
mod reader;
mod ring;
mod table;
mod waiting;

use reader::{bytes_of, check, check_before, node, same, u16_at, u32_at, u64_at};

/// The document's example.
#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Telemetry {
    frame: u64,
    position: [f64; 3],
    temperature: f32,
    flags: u32,
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(version = 7)]
struct Inner {
    hits: AtomicU64,
    open: [AtomicBool; 2],
    on: bool,
    #[shm(rename = "renamed")]
    byte: i8,
    id: Option<NonZeroU32>,
}

#[derive(ShmLayout)]
#[repr(C, align(128))]
struct Everything {
    wide: u128,
    wide_signed: i128,
    inners: [[Inner; 2]; 2],
    tuple: Tuple,
    marker: PhantomData<u64>,
    none: [u16; 0],
    rest: [u32; 32],
    last: [i64; 3],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Tuple(u16, i16, i32);

const DOCUMENT: &str = include_str!("../../../../shm-core/docs/format.md");
const DECODE_PY: &str = include_str!("../../../../shm-core/docs/decode.py");

fn unique(tag: &str) -> String {
    format!("/shm-tests-format-{}-{tag}", std::process::id())
}

fn open(name: &str) -> File {
    File::open(format!("/dev/shm{name}")).expect("the name leads to a file in /dev/shm")
}

#[test]
fn the_formats_example_matches_a_real_segment() {
    let name = unique("example");
    let shm = Telemetry::create(&name).unwrap();
    shm.store(Telemetry {
        frame: 7,
        position: [1.0, -2.5, 0.25],
        temperature: 21.5,
        flags: 3,
    });
    let file = open(&name);
    let payload = check::<Telemetry>(&file);
    assert_eq!(u64_at(&payload, 0), 7);
    assert_eq!(f64::from_bits(u64_at(&payload, 16)), -2.5);
    assert_eq!(f32::from_bits(u32_at(&payload, 32)), 21.5);
    assert_eq!(u32_at(&payload, 36), 3);

    // The numbers in the document are those of a little-endian machine.
    if cfg!(target_endian = "little") {
        let bytes = bytes_of(&file);
        let schema = &bytes[256..256 + u64_at(&bytes, 32) as usize];
        for row in schema.chunks(16) {
            let row: Vec<_> = row.iter().map(|byte| format!("{byte:02x}")).collect();
            let row = row.join(" ");
            assert!(DOCUMENT.contains(&row), "the schema's row {row}");
        }
        for fingerprint in [
            Telemetry::FINGERPRINT,
            u64::FINGERPRINT,
            f64::FINGERPRINT,
            <[f64; 3]>::FINGERPRINT,
            f32::FINGERPRINT,
            u32::FINGERPRINT,
        ] {
            let fingerprint = format!("{fingerprint:#018x}");
            assert!(
                DOCUMENT.contains(&fingerprint),
                "the fingerprint {fingerprint}"
            );
        }
    }
}

#[test]
fn every_kind_of_schema_node_reads_back() {
    let name = unique("nodes");
    let shm = Everything::create(&name).unwrap();
    shm.wide.set(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
    shm.inners[1][0].hits.store(5, Ordering::Relaxed);
    shm.inners[1][0].on.set(true);
    shm.inners[1][0].id.set(NonZeroU32::new(9));
    shm.tuple.2.set(-4);
    let payload = check::<Everything>(&open(&name));
    assert_eq!(
        payload[..16],
        0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10_u128.to_ne_bytes()
    );
    let inner = std::mem::offset_of!(Everything, inners) + size_of::<[Inner; 2]>();
    assert_eq!(u64_at(&payload, inner), 5);
    assert_eq!(payload[inner + std::mem::offset_of!(Inner, on)], 1);
    assert_eq!(u32_at(&payload, inner + std::mem::offset_of!(Inner, id)), 9);
    let tuple = std::mem::offset_of!(Everything, tuple);
    assert_eq!(u32_at(&payload, tuple + 4).cast_signed(), -4);
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Gaps {
    on: u8,
    wide: u64,
    last: u16,
}

#[test]
fn gaps_follow_from_offsets_and_stay_zero() {
    let name = unique("gaps");
    let shm = Gaps::create(&name).unwrap();
    shm.on.set(0xff);
    shm.wide.set(u64::MAX);
    shm.last.set(0xffff);
    let payload = check::<Gaps>(&open(&name));
    assert_eq!(Gaps::SIZE, 24);
    assert_eq!(payload[..8], [0xff, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(payload[8..18], [0xff; 10]);
    assert_eq!(payload[18..24], [0; 6]);
}

#[test]
fn scalar_and_array_payloads_match_the_format() {
    let name = unique("scalar");
    let number = u16::create(&name).unwrap();
    number.set(0xabcd);
    assert_eq!(u16_at(&check::<u16>(&open(&name)), 0), 0xabcd);
    drop(number);
    let array = <[i32; 1000]>::create(&name).unwrap();
    array[999].set(-1);
    assert_eq!(check::<[i32; 1000]>(&open(&name))[3996..], [0xff; 4]);
}

#[test]
fn flags_and_state_match_the_format() {
    let name = unique("flags");
    let shm = u64::create(&name).unwrap();
    let file = open(&name);
    let (flags, state) = (88, 192);
    assert_eq!(u64_at(&bytes_of(&file), flags), 0);
    assert_eq!(u32_at(&bytes_of(&file), state), 0);
    shm.persist().unwrap();
    assert_eq!(u32_at(&bytes_of(&file), state), 1, "persistent");
    check::<u64>(&file);
    shm.unlink().unwrap();

    let sparse = u64::options().sparse(true).create(&name).unwrap();
    assert_eq!(u64_at(&bytes_of(&open(&name)), flags), 1);
    drop(sparse);
    let waking = u64::options().wake_readers(true).create(&name).unwrap();
    assert_eq!(u64_at(&bytes_of(&open(&name)), flags), 1 << 32);
    check::<u64>(&open(&name));
    drop(waking);
    let anonymous = u64::create_anonymous().unwrap();
    let fd = std::os::fd::AsFd::as_fd(&anonymous)
        .try_clone_to_owned()
        .unwrap();
    assert_eq!(u64_at(&bytes_of(&File::from(fd)), flags), 2);
}

/// The kind of lock that conflicts with an exclusive one on this byte.
fn lock_on(file: &File, byte: i64) -> i32 {
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut lock)).unwrap();
    i32::from(lock.l_type)
}

#[test]
fn lock_bytes_match_the_format() {
    let _no_children = no_child_starts();
    let (attach, owner, name_byte) = (0xff_ffff_ffff, 0xff_ffff_fffe, 0xff_ffff_fffd);
    assert_eq!(LEVELS, 0xff_ffff_fffc);
    for byte in [attach, owner, name_byte, LEVELS] {
        let row = format!("`{byte:#x}`");
        assert!(DOCUMENT.contains(&row), "the lock byte {row}");
    }
    let name = unique("locks");
    let creator = u64::create(&name).unwrap();
    let file = open(&name);
    let locks = || [attach, owner, name_byte].map(|byte| lock_on(&file, byte));
    assert_eq!(locks(), [libc::F_RDLCK, libc::F_RDLCK, libc::F_UNLCK]);
    let reader = u64::attach_read_only(&name).unwrap();
    drop(creator);
    assert_eq!(locks(), [libc::F_RDLCK, libc::F_UNLCK, libc::F_UNLCK]);
    drop(reader);
    assert_eq!(locks(), [libc::F_UNLCK; 3]);
}

/// What the documents' script prints for a segment; `None` if there is no Python.
fn decode_py(name: &str) -> Option<String> {
    python(DECODE_PY, &[name])
}

/// What a Python script prints; `None` if there is no Python.
fn python(script: &str, args: &[&str]) -> Option<String> {
    let output = run_python(script, args)?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Runs a Python script; `None` if there is no Python.
fn run_python(script: &str, args: &[&str]) -> Option<Output> {
    // The script goes through a pipe: the user of this test need not be able to read the sources.
    let mut command = Command::new("python3");
    command
        .arg("-")
        .args(args)
        .env("PYTHONIOENCODING", "utf-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = start(&mut command);
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            eprintln!("skipped: python3 cannot be started: {error}");
            return None;
        }
    };
    let mut input = child.stdin.take().unwrap();
    input.write_all(script.as_bytes()).unwrap();
    drop(input);
    Some(child.wait_with_output().unwrap())
}

#[test]
fn decode_py_explains_how_to_call_it() {
    let Some(help) = python(DECODE_PY, &["--help"]) else {
        return;
    };
    assert!(help.starts_with("usage: decode.py /NAME\n"), "{help}");
    for (args, expected) in [
        (&["telemetry"][..], "begins with a slash: /telemetry"),
        (
            &["/dev/shm/telemetry"],
            "pass the segment's name, /telemetry",
        ),
        (&[], "usage: decode.py /NAME"),
        (&["/one", "/two"], "usage: decode.py /NAME"),
    ] {
        let output = run_python(DECODE_PY, args).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
    }
}

#[test]
fn the_python_decoder_reads_a_segment() {
    let name = unique("python");
    let shm = Everything::create(&name).unwrap();
    shm.wide_signed.set(-5);
    shm.inners[0][1].hits.store(77, Ordering::Relaxed);
    shm.inners[0][1].byte.set(-3);
    shm.inners[0][1].on.set(true);
    shm.last.write_from(&[1, -2, 3]);
    let Some(stdout) = decode_py(&name) else {
        return;
    };
    let last = std::mem::offset_of!(Everything, last);
    for line in [
        format!("fingerprint = {:#018x}", Everything::FINGERPRINT),
        "layout_version = 0".to_owned(),
        "wide_signed: i128 = -5".to_owned(),
        "inners[0][1].hits: u64 = 77".to_owned(),
        "inners[0][1].renamed: i8 = -3".to_owned(),
        "inners[0][1].on: bool = true".to_owned(),
        "tuple.2: i32 = 0".to_owned(),
        format!("{last:8} last: [i64; 3] = [1, -2, 3]"),
    ] {
        assert!(stdout.contains(&line), "{line:?} is missing in:\n{stdout}");
    }
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(i16)]
enum Level {
    Low = -2,
    None = 0,
    High = 300,
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Entry {
    level: Level,
    codes: [u8; 2],
    letter: char,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Log {
    count: u64,
    levels: [Level; 4],
    entries: [Entry],
}

#[test]
fn enums_characters_and_slices_match_the_format() {
    let name = unique("log");
    let shm = Log::create_with_len(&name, 3).unwrap();
    shm.levels[1].set(Level::High);
    shm.entries[2].level.set(Level::Low);
    shm.entries[2].letter.set('ż');
    assert!(matches!(shm.levels[0].try_get(), Ok(Level::None)));

    let bytes = bytes_of(&open(&name));
    let mut schema = &bytes[256..256 + u64_at(&bytes, 24 + 8) as usize];
    let schema_len = schema.len();
    let root = node(&mut schema);
    assert!(schema.is_empty(), "{schema_len} bytes are one node");
    same(&root, Log::LAYOUT);
    let tail = std::mem::size_of::<Entry>() as u64;
    assert_eq!((u64_at(&bytes, 64), u64_at(&bytes, 72)), (3, tail));
    assert_eq!(u64_at(&bytes, 88) & 4, 4, "HAS_TAIL");

    let Some(stdout) = decode_py(&name) else {
        return;
    };
    for line in [
        "levels: [Level; 4] = [None, High, None, None]",
        "entries[2].level: Level = Low",
        "entries[2].letter: char = 'ż'",
        "entries[0].letter: char = '\\x00'",
    ] {
        assert!(stdout.contains(line), "{line:?} is missing in:\n{stdout}");
    }
}

#[test]
fn a_mutex_is_decoded_with_its_value() {
    use shm_core::sync::Mutex;

    #[derive(ShmLayout)]
    #[repr(C)]
    struct Locked {
        before: u32,
        _pad: u32,
        total: Mutex<u64>,
    }
    let text = Locked::LAYOUT.to_string();
    assert!(text.contains("Mutex<u64>"), "{text}");
    let name = unique("mutex");
    let shm = Locked::create(&name).unwrap();
    let guard = shm.total.lock().unwrap();
    guard.set(4321);
    let bytes = bytes_of(&open(&name));
    // The claim is the creator's, participant 1; the value follows at its own alignment.
    let payload = usize::try_from(u64::from_ne_bytes(bytes[40..48].try_into().unwrap())).unwrap();
    assert_eq!(bytes[payload + 8..payload + 12], 1_u32.to_ne_bytes());
    assert_eq!(bytes[payload + 16..payload + 24], 4321_u64.to_ne_bytes());
    drop(guard);
    assert_eq!(bytes_of(&open(&name))[payload + 8], 0);
    if let Some(text) = decode_py(&name) {
        assert!(text.contains("claim") && text.contains("4321"), "{text}");
    }
}
