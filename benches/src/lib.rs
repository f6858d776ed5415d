//! Compares the times of two pieces of code.
//!
//! On a shared machine, times drift by more than the differences that matter. So the two pieces take turns of a few
//! hundred microseconds, and each turn is compared with its neighbour. The result is the median of these ratios, with
//! the quartiles.

use std::error::Error;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The number of pairs of turns.
const PAIRS: usize = 301;
/// The intended length of a turn.
const TURN: Duration = Duration::from_micros(300);

/// The result of [`compare`].
#[derive(Clone, Copy, Debug)]
pub struct Comparison {
    /// Median time of one call of the first, in nanoseconds.
    pub first: f64,
    /// Median time of one call of the second, in nanoseconds.
    pub second: f64,
    /// Quartiles of first / second over neighbouring turns.
    pub ratio: [f64; 3],
}

/// Calls the two functions in turn and compares their times.
pub fn compare(mut first: impl FnMut(), mut second: impl FnMut()) -> Comparison {
    let (calls_first, calls_second) = (calls_a_turn(&mut first), calls_a_turn(&mut second));
    let mut pairs: Vec<(f64, f64)> = (0..PAIRS)
        .map(|_| {
            (
                turn(&mut first, calls_first),
                turn(&mut second, calls_second),
            )
        })
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

/// The average time of a call over one turn, in seconds.
fn turn(call: &mut impl FnMut(), calls: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        black_box(&mut *call)();
    }
    start.elapsed().as_secs_f64() / f64::from(calls)
}

fn calls_a_turn(call: &mut impl FnMut()) -> u32 {
    let mut calls = 1;
    loop {
        let start = Instant::now();
        for _ in 0..calls {
            black_box(&mut *call)();
        }
        if start.elapsed() >= TURN || calls >= 1 << 20 {
            return calls;
        }
        calls *= 2;
    }
}

/// Prints a row: a name, both times, and the ratio with its quartiles.
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

/// The exit code for the result of a program.
pub fn exit_code(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
