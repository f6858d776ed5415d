//! Measures shm-core beside its limits and its peers.
//!
//! ```console
//! cargo run --release -p shm-benches -- --list
//! cargo run --release -p shm-benches -- ring seqlock
//! cargo run --release -p shm-benches --features peers -- --write
//! ```
//!
//! All contenders of a case run in turns in one process, or in pairs of processes that this program starts; see [`harness`].
//! The peers that are slow to build are behind the feature `peers`, which needs libclang; those of Boost are there if its
//! headers are.

mod harness;
mod peers;
mod process;
mod report;
mod rows;
mod transport;

use std::process::ExitCode;

use harness::{Bench, Result, Row, Settings, Table, watchdog};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use report::{machine, markdown, text};

const USAGE: &str = "\
cargo run --release -p shm-benches -- [OPTION].. [ROW]..

Without a row, measures all.

  --list          prints the rows
  --short         few and short rounds: shows that the rows run, measures nothing
  --rounds N      the number of rounds
  --check         fails unless every figure is a finite number
  --write         writes the tables into shm-core/docs/performance.md and the plots into benches/plots";

struct Arguments {
    list: bool,
    check: bool,
    settings: Settings,
    write: bool,
    rows: Vec<&'static Row>,
}

fn parse(arguments: &[String]) -> Result<Arguments> {
    let mut parsed = Arguments {
        list: false,
        check: false,
        settings: Settings {
            short: false,
            rounds: None,
        },
        write: false,
        rows: Vec::new(),
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--list" => parsed.list = true,
            "--short" => parsed.settings.short = true,
            "--check" => parsed.check = true,
            "--rounds" => {
                let rounds = rest.next().ok_or("--rounds needs a number")?;
                parsed.settings.rounds = Some(rounds.parse::<usize>()?.max(1));
            }
            "--write" => parsed.write = true,
            "--help" | "-h" => return Err(USAGE.into()),
            name => parsed.rows.push(rows::find(name)?),
        }
    }
    if parsed.rows.is_empty() {
        parsed.rows.extend(rows::ALL);
    }
    Ok(parsed)
}

fn list() {
    for row in rows::ALL {
        println!("{:<20} {}", row.name, row.about);
    }
}

/// Runs all rows, even if one fails.
fn compare(arguments: &Arguments) -> Result<()> {
    machine::show();
    watchdog::start();
    let (mut tables, mut failures) = (Vec::new(), Vec::new());
    for row in &arguments.rows {
        println!("\n=== {}: {}", row.name, row.about);
        let mut bench = Bench::new(row.name, arguments.settings, text::show);
        if let Err(error) = (row.run)(&mut bench) {
            eprintln!("{}: {error}", row.name);
            failures.push(row.name);
        }
        watchdog::done();
        let skipped = bench.skipped();
        let found = bench.into_tables();
        if arguments.check && !skipped && (found.is_empty() || !found.iter().all(complete)) {
            failures.push(row.name);
        }
        tables.extend(found);
    }
    peers::clean_up();
    text::gaps(&tables);
    if arguments.write {
        let complete = arguments.rows.len() == rows::ALL.len() && failures.is_empty();
        markdown::write(&arguments.rows, &tables, complete)?;
    }
    match failures.as_slice() {
        [] => Ok(()),
        failures => Err(format!("failed: {}", failures.join(", ")).into()),
    }
}

/// Whether every figure of a table is a finite number.
fn complete(table: &Table) -> bool {
    let complete = !table.lines.is_empty()
        && table.lines.iter().all(|line| {
            let quartiles = line.quartiles.iter();
            let ratios = line.to_limit.iter().flatten().chain(&line.to_peer);
            quartiles
                .chain(ratios)
                .chain(&line.p99)
                .all(|value| value.is_finite())
        });
    if !complete {
        eprintln!(
            "{}, {}: a figure is no finite number",
            table.row, table.case
        );
    }
    complete
}

/// The second process of a row.
fn help(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [row, processor, rest @ ..] = words.as_slice() else {
        return Err("a helper needs a row and a processor".into());
    };
    // No helper outlives the first process.
    set_pdeathsig(Signal::SIGKILL)?;
    let _pinned = processor
        .parse()
        .ok()
        .map(process::Pinned::to)
        .transpose()?;
    let helper = rows::find(row)?.helper.ok_or("the row has no helper")?;
    helper(rest)
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [process::HELPER, ..] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return help(&arguments[1..]);
    }
    let arguments = parse(&arguments)?;
    if arguments.list {
        list();
        return Ok(());
    }
    compare(&arguments)
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
