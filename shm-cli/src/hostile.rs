//! Commands on segments with forged schemas and payloads: each says what is wrong or shows what is there, without a panic, and costs a
//! bounded amount of memory.
//!
//! `SHM_HOSTILE_COMMANDS` is the number of files, 300 by default; `SHM_HOSTILE_SEED` selects other files.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::{CommandFactory, FromArgMatches};
use shm_core::ShmLayout;
use shm_core::dynamic::{DynSchema, DynSegment};
use shm_tests::hostile::{Counting, Scratch, Which, allocated_by, in_batches, number_after};
use shm_tests::{Names, Random, count_from_env};

use crate::cli::Cli;
use crate::commands;
use crate::failure::Kind;
use crate::output::Context;
use crate::sigbus;

#[global_allocator]
static COUNTING: Counting = Counting;

/// The most bytes that a command prints about one file of less than 5 MiB.
const MOST_PRINTED: u64 = 64 << 20;
/// Longer files are not restored, which reserves memory for all bytes.
const MOST_RESTORED: u64 = 16 << 20;
/// Of longer files, fewer are shown in full.
const LONG: u64 = 128 << 10;
/// The most that it holds at a time.
const MOST_HELD: usize = 512 << 20;

#[test]
fn commands_survive_forged_segments() {
    let this = "hostile::commands_survive_forged_segments";
    let checked = in_batches(this, "SHM_HOSTILE_COMMANDS", 300, check_batch);
    let Some((files, printed)) = checked else {
        return;
    };
    let each = |name| printed.iter().map(move |text| number_after(name, text));
    let (attached, most) = (each("ATTACHED ").sum::<u64>(), each("MOST ").max());
    let longest = each("LONGEST ").zip(each("SLOWEST ")).max();
    let (most, (longest, slowest)) = (most.unwrap_or(0), longest.unwrap_or_default());
    println!(
        "{files} files, {attached} of them attached to; at most {most} bytes at a time, and {longest} ms for all commands, with file \
         {slowest}"
    );
    // The schemas were not all hopeless.
    assert!(attached * 20 > files, "{attached} of {files}");
}

fn check_batch(first: u64, files: u64) {
    sigbus::install();
    let seed = count_from_env("SHM_HOSTILE_SEED", 1);
    let names = Names::new("hostile-cli");
    let name = names.name("t");
    let dumps = Dumps::new(&names.name("dumps"));
    let dump = dumps.0.join("dump");
    let dump = dump.to_str().unwrap();
    let mut scratch = Scratch::new(&name);
    let (mut attached, mut most, mut longest) = (0_u64, 0, (Duration::ZERO, 0));
    for file in first..first + files {
        let _which = Which { seed, file };
        let mut random = Random::new(seed.wrapping_mul(0x9e37_79b9).wrapping_add(file));
        let mut forgery = scratch.original(random.below(6));
        match random.below(4) {
            // The payload only.
            0 => {}
            1 => forgery.mutate(&mut random),
            _ => forgery.mutate_schema(&mut random),
        }
        if let Some(segment) = scratch.put_agreeing(&mut forgery) {
            attached += 1;
            drop(segment);
            scratch.damage_payload(&forgery, &mut random);
        }
        let begin = Instant::now();
        let mut commands = vec![
            vec!["check", &name],
            vec!["check", "--json", &name],
            vec!["show", &name],
            vec!["show", "--json", &name],
        ];
        // The fuller the output, the longer it takes, and a long segment has much of it.
        if random.one_in(if forgery.len < LONG { 8 } else { 64 }) {
            commands.extend([
                vec!["show", "--full", &name],
                vec!["show", "--full", "--json", &name],
                vec!["get", &name],
                vec!["diff", &name, &name],
                vec!["diff", "--values", &name, &name],
                vec!["layout", "--full", &name],
                vec!["layout", "--json", &name],
                vec!["export", "--lang", "cpp", &name],
                vec!["watch", "--csv", "--count", "1", &name],
            ]);
        }
        let cost = allocated_by(|| commands.iter().for_each(|words| _ = run(words)));
        let cost = cost.max(allocated_by(|| dump_and_restore(&name, dump, forgery.len)));
        longest = longest.max((begin.elapsed(), file));
        assert!(cost <= MOST_HELD, "{cost} bytes");
        most = most.max(cost);
    }
    println!(
        "MOST {most}\nLONGEST {}\nSLOWEST {}\nATTACHED {attached}",
        longest.0.as_millis(),
        longest.1
    );
}

/// A directory in memory, where writing to a file does not wait for a disk.
struct Dumps(PathBuf);

impl Dumps {
    fn new(name: &str) -> Self {
        let path = Names::path(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Dumps {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A dump of what can be dumped can be read and restored.
fn dump_and_restore(name: &str, dump: &str, len: u64) {
    if run(&["dump", "--force", name, dump]).is_some() {
        return;
    }
    run(&["check", dump]);
    assert_eq!(run(&["show", dump]), None);
    let copy = format!("{name}-copy");
    if len <= MOST_RESTORED && run(&["restore", "--yes", dump, &copy]).is_none() {
        run(&["show", &copy]);
        run(&["rm", &copy]);
    }
    let _ = fs::remove_file(dump);
}

/// The type of `ones: [One; len]`, whose elements have so many bytes and none that belongs to a field.
fn forged(size_of_one: u64, len: u64) -> DynSchema {
    #[derive(Clone, Copy, ShmLayout)]
    #[repr(C)]
    struct One {
        none: [u8; 7919],
    }
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Ones {
        head: [u8; 4],
        ones: [One; 4409],
    }
    let mut bytes = DynSchema::of_layout(Ones::LAYOUT).unwrap().to_bytes();
    let mut replace = |number: u64, by: u64| {
        let mut words = bytes.windows(8);
        let at = words.position(|word| word == number.to_ne_bytes()).unwrap();
        bytes[at..at + 8].copy_from_slice(&by.to_ne_bytes());
    };
    replace(4 + 4409 * 7919, 4 + len * size_of_one);
    replace(4409, len);
    replace(7919, size_of_one);
    replace(7919, 0);
    DynSchema::from_bytes(&bytes).unwrap()
}

#[test]
fn elements_without_bytes_are_looked_at_once() {
    const MOST_BYTES: u64 = 10_000;

    let names = Names::new("hollow-cli");
    let name = &names.name("t");
    let _segment = DynSegment::create(name, &forged(0, 1 << 40)).unwrap();
    for words in [
        &["check", name][..],
        &["show", name],
        &["show", "--full", name],
        &["show", "--full", "--json", name],
        &["get", name],
        &["diff", "--values", name, name],
        &["layout", "--full", name],
        &["layout", "--full", "--json", name],
        &["export", "--lang", "c", name],
        &["watch", "--csv", "--count", "1", name],
    ] {
        // Without a limit, some of these have no end.
        let (_, printed) = run_and_count(words);
        assert!(printed <= MOST_BYTES, "{words:?} printed {printed}");
    }
}

#[test]
fn columns_are_not_looked_for_in_all_parts() {
    let names = Names::new("blank-cli");
    let name = &names.name("t");
    // It has no number, and so no column.
    let _segment = DynSegment::create(name, &forged(1, 200_000)).unwrap();
    let failed = run(&["watch", "--csv", "--count", "1", name, "ones"]);
    assert_eq!(failed, Some(Kind::Usage));
}

/// Runs a command, whatever it finds. Returns how it failed.
fn run(words: &[&str]) -> Option<Kind> {
    run_and_count(words).0
}

/// The same, with the number of bytes that it has printed.
fn run_and_count(words: &[&str]) -> (Option<Kind>, u64) {
    let printed = Rc::new(RefCell::new(Printed::default()));
    let cli = parsed(words);
    let json = cli.global.json;
    let out = || Box::new(Shared(Rc::clone(&printed)));
    let mut context = Context::to(out(), out(), json);
    if let Err(failure) = commands::run(cli.command, &mut context) {
        context.report(&failure);
    }
    assert!(sigbus::take().is_none(), "{words:?}");
    let printed = printed.borrow();
    assert!(
        printed.len <= MOST_PRINTED,
        "{words:?} printed {}",
        printed.len
    );
    assert!(!printed.controls, "{words:?} printed a control character");
    assert!(printed.len > 0, "{words:?} printed nothing");
    (context.worst(), printed.len)
}

/// Parses a command line. The parser is built once, which takes longer than most commands.
fn parsed(words: &[&str]) -> Cli {
    thread_local! {
        static PARSER: RefCell<clap::Command> = RefCell::new(Cli::command());
    }
    let words = ["shm"].iter().chain(words);
    let matches = PARSER.with_borrow_mut(|parser| parser.try_get_matches_from_mut(words));
    Cli::from_arg_matches(&matches.unwrap()).unwrap()
}

/// What a command has printed.
#[derive(Default)]
struct Printed {
    len: u64,
    controls: bool,
}

struct Shared(Rc<RefCell<Printed>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut printed = self.0.borrow_mut();
        printed.len += bytes.len() as u64;
        let text = String::from_utf8_lossy(bytes);
        let mut parts = text.split('\u{1b}');
        let mut plain = parts.next().into_iter().chain(parts.map(after_style));
        printed.controls |=
            plain.any(|text| text.chars().any(|char| char.is_control() && char != '\n'));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The text after an escape of the command's own, which sets a style: `[1;31m`.
fn after_style(text: &str) -> &str {
    let rest = text.strip_prefix('[').and_then(|text| {
        let text = text.trim_start_matches(|char: char| char.is_ascii_digit() || char == ';');
        text.strip_prefix('m')
    });
    // Any other escape is a control character.
    rest.unwrap_or("\u{1b}")
}
