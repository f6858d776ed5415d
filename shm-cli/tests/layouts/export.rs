//! `shm export`: compilers accept the headers, and C programs share segments with Rust.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI16, AtomicU32, AtomicU64, Ordering};

use shm_core::dynamic::DynSchema;
use shm_core::sync::{Barrier, Broadcast, Event, Mutex, SeqLock};
use shm_core::{ShmLayout, ShmOffset, ShmStr};
use shm_tests::Names;
use shm_tests::hostile::forge_later;

use crate::types::{Mode, Pose, Robot, Telemetry};
use crate::{shm, unique_name};

/// A folder that goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = format!("shm-cli-export-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    /// Exports a segment to a file.
    fn export(&self, name: &str, lang: &str, file: &str) {
        let path = self.0.join(file);
        shm(&[
            "export",
            name,
            "--lang",
            lang,
            "--out",
            path.to_str().unwrap(),
        ])
        .found(0);
    }

    /// Compiles a program of this text, and returns its path.
    fn compile(&self, file: &str, text: &str) -> PathBuf {
        let source = self.0.join(file);
        std::fs::write(&source, text).unwrap();
        let is_cpp = Path::new(file).extension().is_some_and(|of| of == "cpp");
        let (compiler, standard) = match is_cpp {
            true => ("g++", "-std=c++17"),
            false => ("gcc", "-std=c11"),
        };
        let program = source.with_extension("out");
        let output = Command::new(compiler)
            .args([
                standard,
                "-Wall",
                "-Wextra",
                "-Werror",
                "-pedantic",
                "-O2",
                "-o",
            ])
            .arg(&program)
            .arg(&source)
            .current_dir(&self.0)
            .output()
            .unwrap_or_else(|error| {
                panic!("the test needs {compiler}, from the package of that name: {error}")
            });
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{file} does not compile:\n{errors}"
        );
        program
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// C that maps the segment called `argv[1]` as `map`, with `header` and `len`.
const MAP: &str = r#"
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned char header[256];
static void *map;
static unsigned long len;

static void open_segment(const char *name, int writable)
{
    struct stat status;
    int fd = shm_open(name, writable ? O_RDWR : O_RDONLY, 0);
    if (fd < 0 || fstat(fd, &status) != 0 || pread(fd, header, 256, 0) != 256) exit(100);
    len = (unsigned long)status.st_size;
    map = mmap(NULL, len, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) exit(101);
}
"#;

#[derive(Clone, Copy, ShmLayout)]
#[repr(i64)]
enum Extreme {
    Zero = 0,
    Least = i64::MIN,
    Most = i64::MAX,
    Minus = -1,
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Pair(u8, i8);

/// Every kind of field, with names that are none in C.
#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Everything {
    wide: [[u128; 2]; 3],
    signed: i128,
    int: u32,
    #[shm(rename = "int ")]
    int2: u32,
    #[shm(rename = "*/ #error ??/ /*")]
    hostile: u32,
    #[shm(rename = "größe")]
    size: f32,
    #[shm(rename = "NULL")]
    null: f64,
    flag: bool,
    letter: char,
    extreme: Extreme,
    pair: Pair,
    grid: [[Pair; 2]; 3],
    none: [u64; 0],
    texts: [ShmStr<7>; 2],
    counts: [AtomicI16; 4],
    node: ShmOffset<u64>,
    lock: Mutex<[AtomicU64; 2]>,
    seat: Barrier<3>,
    ticks: Broadcast<Pair, 4>,
    changed: Event,
    limits: SeqLock<[[f32; 2]; 2], 3>,
    name: SeqLock<ShmStr<9>>,
    tail: [Pair],
}

/// Each `[u64; 2]` becomes a type of a later format.
#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Rover {
    flag: bool,
    lidar: [u64; 2],
    rows: [[[u64; 2]; 2]; 3],
    pose: SeqLock<[u64; 2]>,
    lock: Mutex<[u64; 2]>,
    tail: [[u64; 2]],
}

/// A type with the name of a function of C, and nothing but elements at its end.
#[derive(ShmLayout)]
#[repr(C)]
struct Log {
    value: [[Mode; 2]],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Grown {
    beat: u64,
    #[shm(since = 1)]
    extra: u64,
    #[shm(since = 2)]
    lock: Mutex<u64>,
}

#[test]
fn headers_of_all_kinds_of_types_compile_without_a_warning() {
    let folder = Folder::new();
    let check = |name: &str, file: &str| {
        folder.export(name, "c", &format!("{file}.h"));
        let text = format!("#include \"{file}.h\"\nint main(void) {{ return 0; }}\n");
        folder.compile(&format!("{file}.c"), &text);
        folder.export(name, "cpp", &format!("{file}.hpp"));
        // Twice, and with that of another type.
        let text = format!(
            "#include \"{file}.hpp\"\n#include \"{file}.hpp\"\n#include \"first.hpp\"\nint main() {{ }}\n"
        );
        folder.compile(&format!("{file}.cpp"), &text);
    };
    let name = unique_name();
    let telemetry = Telemetry::create(&name).unwrap();
    folder.export(&name, "cpp", "first.hpp");
    check(&name, "telemetry");
    drop(telemetry);
    let everything = Everything::create_with_len(&name, 5).unwrap();
    check(&name, "everything");
    drop(everything);
    let robot = Robot::create(&name).unwrap();
    check(&name, "robot");
    drop(robot);
    let grown = Grown::create(&name).unwrap();
    check(&name, "grown");
    drop(grown);
    let number = u64::create(&name).unwrap();
    check(&name, "number");
    drop(number);
    let log = Log::create_with_len(&name, 3).unwrap();
    check(&name, "log");
    drop(log);
    let rover = Rover::create_with_len(&name, 3).unwrap();
    let mut file = std::fs::read(Names::path(&name)).unwrap();
    assert_eq!(forge_later(&mut file, 2, 16, 8), 5);
    std::fs::write(Names::path(&name), file).unwrap();
    check(&name, "rover");
    drop(rover);
}

fn run(program: &Path, args: &[&str]) -> Child {
    Command::new(program)
        .args(args)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[track_caller]
fn output(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_program_in_c_shares_a_segment() {
    let folder = Folder::new();
    let name = unique_name();
    let robot = Robot::create(&name).unwrap();
    folder.export(&name, "c", "robot.h");
    let program = folder.compile(
        "program.c",
        &format!(
            "{MAP}{}",
            r#"
#include "robot.h"

int main(int argc, char **argv)
{
    char text[25];
    robot_pose_value pose;
    (void)argc;
    open_segment(argv[1], 1);
    robot *at = robot_find(header, map, len);
    if (at == NULL) return 1;
    if (robot_find(header, map, len - 1) != NULL) return 2;
    header[30] ^= 1;
    if (robot_find(header, map, len) != NULL) return 3;
    if (robot_get_beat(at) != 7 || robot_get_mode(at) != ROBOT_MODE_FAST) return 4;
    if (robot_get_flags(at, 2) != 3 || robot_get_temperature(at) != 21.5f) return 5;
    if (robot_get_name(at, text) != 4 || strcmp(text, "unit") != 0) return 6;
    robot_pose_load(&at->poses[9], &pose);
    if (pose.xyz[1] != 2.5 || pose.quality != 9) return 7;
    if (!robot_seq_lock_pose_4_read(&at->pose, &pose) || pose.xyz[2] != 3.5) return 8;
    if (robot_mutex_f64_get_claim(&at->battery) != 0) return 9;

    robot_set_commands(at, UINT64_C(0xfedcba9876543210));
    robot_set_mode(at, ROBOT_MODE_IDLE);
    robot_set_flags(at, 1, 200);
    robot_set_temperature(at, -1.25f);
    if (robot_set_name(at, "a name that is too long for it", 30)) return 10;
    if (!robot_set_name(at, "c", 1)) return 11;
    pose.xyz[0] = 4.5;
    robot_pose_store(&at->poses[0], &pose);
    robot_vec_f32_500_set_items(&at->history, 0, 0.5f);
    robot_vec_f32_500_set_len(&at->history, 1);
    puts("done");
    return 0;
}
"#
        ),
    );
    robot.beat.store(7, Ordering::Release);
    robot.mode.set(Mode::Fast);
    robot.flags.write_from(&[1, 2, 3]);
    robot.temperature.set(21.5);
    robot.name.set("unit").unwrap();
    let pose = |xyz| Pose {
        xyz,
        quality: 9,
        _pad: 0,
    };
    robot.poses[9].store(pose([1.5, 2.5, 0.0]));
    robot.pose.store(pose([0.0, 0.0, 3.5])).unwrap();
    assert_eq!(output(run(&program, &[&name])), "done\n");
    assert_eq!(
        robot.commands.load(Ordering::Acquire),
        0xfedc_ba98_7654_3210
    );
    assert_eq!(robot.mode.try_get().unwrap(), Mode::Idle);
    assert_eq!(robot.flags.to_vec(), [1, 200, 3]);
    assert_eq!(robot.temperature.get(), -1.25);
    assert_eq!(robot.name.load().to_string(), "c");
    assert_eq!(robot.poses[0].load(), pose([4.5, 0.0, 3.5]));
    assert_eq!(robot.history.to_vec(), [0.5]);
}

#[test]
fn a_program_in_cpp_shares_a_segment() {
    let folder = Folder::new();
    let name = unique_name();
    let grown = Grown::create(&name).unwrap();
    folder.export(&name, "cpp", "grown.hpp");
    let program = folder.compile(
        "program.cpp",
        &format!(
            "{MAP}{}",
            r#"
#include "grown.hpp"

int main(int argc, char **argv)
{
    (void)argc;
    open_segment(argv[1], 1);
    grown::Grown *at = grown::find(header, map, len);
    if (at == nullptr) return 1;
    if (at->beat.get() != 3 || at->extra.get() != 4) return 2;
    at->extra.set(at->extra.get() + 1);
    grown::fingerprints[0] == 0 ? std::puts("?") : std::puts("done");
    return 0;
}
"#
        ),
    );
    grown.beat.set(3);
    grown.extra.set(4);
    assert_eq!(output(run(&program, &[&name])), "done\n");
    assert_eq!(grown.extra.get(), 5);
    // A segment that lacks the levels is not one of the header's.
    drop(grown);
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Base {
        beat: u64,
    }
    let _base = Base::create(&name).unwrap();
    let status = run(&program, &[&name]).wait().unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn a_read_in_c_is_never_torn() {
    let folder = Folder::new();
    let name = unique_name();
    let lock = SeqLock::<[u64; 32]>::create(&name).unwrap();
    folder.export(&name, "c", "lock.h");
    let program = folder.compile(
        "reader.c",
        &format!(
            "{MAP}{}",
            r#"
#include "lock.h"

/* Reads until it has seen many versions, and says so as it begins. */
int main(int argc, char **argv)
{
    uint64_t value[32], last = 0;
    long changes = 0;
    (void)argc;
    open_segment(argv[1], 0);
    payload *at = payload_find(header, map, len);
    if (at == NULL) return 1;
    while (changes < 20000) {
        if (!payload_seq_lock_u64_32_4_read(&at->value, value)) return 2;
        for (int i = 1; i < 32; i++) if (value[i] != value[0]) return 3;
        if (value[0] < last) return 4;
        changes += value[0] != last;
        last = value[0];
    }
    puts("whole");
    return 0;
}
"#
        ),
    );
    let mut reader = run(&program, &[&name]);
    let mut number = 0_u64;
    while reader.try_wait().unwrap().is_none() {
        for _ in 0..1000 {
            number += 1;
            lock.store([number; 32]).unwrap();
        }
    }
    assert_eq!(output(reader), "whole\n");
}

#[test]
fn a_schema_is_bytes_or_a_tree() {
    let folder = Folder::new();
    let name = unique_name();
    let _grown = Grown::create(&name).unwrap();
    folder.export(&name, "schema", "grown.schema");
    let path = folder.0.join("grown.schema");
    let schema = DynSchema::from_bytes(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(schema.fingerprint(), Grown::FINGERPRINT);
    assert_eq!(schema.level(), 2);
    // The difference to the segment is none.
    shm(&["diff", &name, path.to_str().unwrap()]).found(0);
    let json = shm(&["export", &name, "--lang", "schema", "--json"]).found(0);
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["schema"], "shm.schema");
    let fields = &document["layout"]["fields"];
    assert_eq!(fields[1]["since"], 1);
    assert_eq!(fields[2]["layout"]["meaning"], "mutex");
    assert_eq!(
        fields[2]["layout"]["parts"]["fields"][0]["layout"]["atomic"],
        true
    );
}

#[test]
fn a_wrong_command_line_says_what_is_right() {
    let name = unique_name();
    let _number = u64::create(&name).unwrap();
    let refused = shm(&["export", &name, "--lang", "c", "--json"]).refused(2);
    assert!(
        refused.contains("--json goes with `--lang schema`"),
        "{refused}"
    );
    let refused = shm(&["export", &name, "--lang", "c", "--out", "/nowhere/x.h"]).refused(3);
    assert!(refused.contains("cannot write /nowhere/x.h"), "{refused}");
    shm(&["export", "/shm-cli-layouts-is-not-there", "--lang", "c"]).refused(3);
}

#[test]
fn a_dump_of_the_other_byte_order_is_not_a_header() {
    let folder = Folder::new();
    let path = folder.0.join("swapped.shm");
    std::fs::write(&path, swapped_number()).unwrap();
    let path = path.to_str().unwrap();
    let refused = shm(&["export", path, "--lang", "c"]).refused(4);
    assert!(refused.contains("other byte order"), "{refused}");
    let name = unique_name();
    let _number = u64::create(&name).unwrap();
    let out = shm(&["diff", &name, path]).found(0);
    assert!(
        out.contains("on machines of different byte orders"),
        "{out}"
    );
    shm(&["diff", "--values", &name, path]).found(1);
    shm(&["layout", path]).found(0);
}

/// A segment of a `u64` with the value 5, as a machine of the other byte order makes it.
fn swapped_number() -> Vec<u8> {
    let is_big = cfg!(target_endian = "little");
    let mut bytes = vec![0; 4096];
    let mut put = |at: usize, number: &[u8]| {
        let mut number = number.to_vec();
        if is_big {
            number.reverse();
        }
        bytes[at..at + number.len()].copy_from_slice(&number);
    };
    let u16 = |put: &mut dyn FnMut(usize, &[u8]), at, of: u16| put(at, &of.to_le_bytes());
    let u32 = |put: &mut dyn FnMut(usize, &[u8]), at, of: u32| put(at, &of.to_le_bytes());
    let u64 = |put: &mut dyn FnMut(usize, &[u8]), at, of: u64| put(at, &of.to_le_bytes());
    let mix = |hash: u64, number: u64| {
        let hash = (hash ^ number).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^ (hash >> 32)
    };
    let end = if is_big { 256 } else { 0 };
    let numbers = [1 + end, 4, 0];
    let fingerprint = numbers
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, number| mix(hash, *number));
    u16(&mut put, 8, 2);
    u16(&mut put, 10, 256);
    u64(&mut put, 16, 4096);
    u64(&mut put, 24, 256);
    u64(&mut put, 32, 12);
    u64(&mut put, 40, 384);
    u64(&mut put, 48, 8);
    u32(&mut put, 56, 8);
    u64(&mut put, 80, fingerprint);
    u32(&mut put, 260, 4);
    u64(&mut put, 384, 5);
    bytes[..8].copy_from_slice(b"\x89SHM\r\n\x1a\n");
    bytes[12] = if is_big { 2 } else { 1 };
    bytes[256] = 1;
    bytes[264] = 4;
    let checksum = bytes[..120]
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
        });
    let checksum = if is_big {
        checksum.to_be_bytes()
    } else {
        checksum.to_le_bytes()
    };
    bytes[120..128].copy_from_slice(&checksum);
    bytes
}
