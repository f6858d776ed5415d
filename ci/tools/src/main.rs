//! The checks of CI that read Rust. The scripts in `ci/` run them.
#![forbid(unsafe_code)]

mod copy;
mod equivalents;
mod graph;
mod language;
mod mutants;
mod orderings;
mod surface;
mod syntax;
mod tracked;

use std::process::ExitCode;

const USAGE: &str = "usage: shm-ci graph LIB_RS LAYERS | language [--count] | \
    mutants LIST SCRATCH TARGET [NAME].. | \
    orderings LIST SCRATCH TARGET [NAME].. | surface RUSTDOC_JSON | syntax";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args[..] {
        ["graph", lib, layers] => graph::run(lib.as_ref(), layers.as_ref()),
        ["language"] => language::run(false),
        ["language", "--count"] => language::run(true),
        ["mutants", list, scratch, target, ref names @ ..] => {
            mutants::run(list.as_ref(), scratch.as_ref(), target.as_ref(), names)
        }
        ["orderings", list, scratch, target, ref names @ ..] => {
            orderings::run(list.as_ref(), scratch.as_ref(), target.as_ref(), names)
        }
        ["surface", json] => surface::run(json.as_ref()),
        ["syntax"] => syntax::run(),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(report) => {
            print!("{report}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
