//! Times two pieces of code side by side.
//!
//! On a shared machine, times drift by more than the differences that matter. So the two run alternately, for a few hundred
//! microseconds each, and the result is the median ratio of neighbouring runs, with its quartiles.

use std::error::Error;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The number of pairs of runs.
const PAIRS: usize = 301;
/// The intended time of one run.
const RUN: Duration = Duration::from_micros(300);

/// The result of [`compare`].
#[derive(Clone, Copy, Debug)]
pub struct Comparison {
    /// Median time of one call of the first, in nanoseconds.
    pub first: f64,
    /// Median time of one call of the second, in nanoseconds.
    pub second: f64,
    /// Quartiles of first / second over neighbouring runs.
    pub ratio: [f64; 3],
}

/// Runs the two alternately and compares their times.
pub fn compare(mut first: impl FnMut(), mut second: impl FnMut()) -> Comparison {
    let (calls_first, calls_second) = (calls_per_run(&mut first), calls_per_run(&mut second));
    let mut pairs: Vec<(f64, f64)> = (0..PAIRS)
        .map(|_| (run(&mut first, calls_first), run(&mut second, calls_second)))
        .collect();
    let mut ratios: Vec<f64> = pairs.iter().map(|(first, second)| first / second).collect();
    ratios.sort_by(f64::total_cmp);
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let first = pairs[PAIRS / 2].0;
    pairs.sort_by(|a, b| a.1.total_cmp(&b.1));
    let second = pairs[PAIRS / 2].1;
    Comparison {
        first: first * 1e9,
        second: second * 1e9,
        ratio: [ratios[PAIRS / 4], ratios[PAIRS / 2], ratios[PAIRS * 3 / 4]],
    }
}

/// The average time of one call over a run, in seconds.
fn run(call: &mut impl FnMut(), calls: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        black_box(&mut *call)();
    }
    start.elapsed().as_secs_f64() / f64::from(calls)
}

fn calls_per_run(call: &mut impl FnMut()) -> u32 {
    let mut calls = 1;
    loop {
        let start = Instant::now();
        for _ in 0..calls {
            black_box(&mut *call)();
        }
        if start.elapsed() >= RUN || calls >= 1 << 20 {
            return calls;
        }
        calls *= 2;
    }
}

/// Prints one row: the name, both times, and the ratio with its quartiles.
pub fn row(what: &str, comparison: &Comparison) {
    let Comparison {
        first,
        second,
        ratio: [low, median, high],
    } = comparison;
    println!("{what:<34} {first:>12.1} {second:>12.1}   {median:>6.2} ({low:.2} to {high:.2})");
}

/// Prints the heading of a table.
pub fn heading(what: &str, first: &str, second: &str) {
    println!("\n{what:<34} {first:>12} {second:>12}   ratio (quartiles), times in ns");
}

/// Prints an error and returns the exit code of a program.
pub fn exit_code(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
