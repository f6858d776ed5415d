//! Commands on segments with forged schemas and payloads: each says what is wrong or shows what is there, without a panic, and costs a
//! bounded amount of memory.
//!
//! `SHM_HOSTILE_COMMANDS` is the number of files, 300 by default; `SHM_HOSTILE_SEED` selects other files.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Write};
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::Parser;
use shm_tests::hostile::{Counting, Scratch, Which, allocated_by};
use shm_tests::{Names, Random, count_from_env};

use crate::cli::Cli;
use crate::commands;
use crate::failure::Kind;
use crate::output::Context;
use crate::sigbus;

#[global_allocator]
static COUNTING: Counting = Counting;

/// The files of one process. Each schema that is accepted takes memory for as long as the process lives.
const BATCH: u64 = 2500;

/// Set in the processes that this test starts: the first file of theirs.
const FIRST: &str = "SHM_HOSTILE_FIRST";

/// The most bytes that a command prints about one file of less than 5 MiB.
const MOST_PRINTED: u64 = 64 << 20;
/// The most that it holds at a time.
const MOST_HELD: usize = 512 << 20;

#[test]
fn commands_survive_forged_segments() {
    let files = count_from_env("SHM_HOSTILE_COMMANDS", 300);
    if std::env::var_os(FIRST).is_some() {
        return check_batch(count_from_env(FIRST, 0), files.min(BATCH));
    }
    let (mut attached, mut longest, mut most) = (0, 0, 0);
    for first in (0..files).step_by(BATCH as usize) {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "hostile::commands_survive_forged_segments",
                "--exact",
                "--nocapture",
            ])
            .env(FIRST, first.to_string())
            .env("SHM_HOSTILE_COMMANDS", (files - first).to_string())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "from {first}: {text}\n{errors}");
        let number = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim().parse::<u64>().ok())
                .unwrap()
        };
        attached += number("ATTACHED");
        longest = longest.max(number("LONGEST"));
        most = most.max(number("MOST"));
    }
    println!(
        "{files} files, {attached} of them attached to; at most {most} bytes at a time, and {longest} ms for all commands"
    );
    // The schemas were not all hopeless.
    assert!(attached * 20 > files, "{attached} of {files}");
}

fn check_batch(first: u64, files: u64) {
    sigbus::install();
    let seed = count_from_env("SHM_HOSTILE_SEED", 1);
    let names = Names::new("hostile-cli");
    let name = names.name("t");
    let dump = std::env::temp_dir().join(&name[1..]);
    let dump = dump.to_str().unwrap();
    let mut scratch = Scratch::new(&name);
    let (mut attached, mut most, mut longest) = (0_u64, 0, Duration::ZERO);
    for file in first..first + files {
        let _which = Which { seed, file };
        let mut random = Random::new(seed.wrapping_mul(0x9e37_79b9).wrapping_add(file));
        let mut forgery = scratch.original(random.below(5));
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
        // The fuller the output, the longer it takes.
        if random.one_in(8) {
            commands.push(vec!["show", "--full", &name]);
            commands.push(vec!["get", &name]);
        }
        let cost = allocated_by(|| commands.iter().for_each(|words| _ = run(words)));
        let cost = cost.max(allocated_by(|| dump_and_restore(&name, dump)));
        longest = longest.max(begin.elapsed());
        assert!(cost <= MOST_HELD, "{cost} bytes");
        most = most.max(cost);
    }
    println!(
        "MOST {most}\nLONGEST {}\nATTACHED {attached}",
        longest.as_millis()
    );
}

/// A dump of what can be dumped can be read and restored.
fn dump_and_restore(name: &str, dump: &str) {
    if run(&["dump", "--force", name, dump]).is_some() {
        return;
    }
    run(&["check", dump]);
    assert_eq!(run(&["show", dump]), None);
    let copy = format!("{name}-copy");
    if run(&["restore", "--yes", dump, &copy]).is_none() {
        run(&["show", &copy]);
        run(&["rm", &copy]);
    }
    let _ = fs::remove_file(dump);
}

/// Runs a command, whatever it finds. Returns how it failed.
fn run(words: &[&str]) -> Option<Kind> {
    let printed = Rc::new(RefCell::new(Printed::default()));
    let cli = Cli::try_parse_from(["shm"].iter().chain(words)).unwrap();
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
    context.worst()
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
