//! Random definitions go through the derive, the compiler and a reference model, which must agree.
//!
//! proptest draws the definitions: structs of all shapes, nested and generic, with and without padding, and with
//! types that cannot be shared, behind aliases, associated types, arrays, generics and macros. The reference
//! (`model.rs`) tells which of them must be accepted, and their layouts.
//!
//! - Accepted ones become a program that compares the layouts of the derive, the view and the compiler with the
//!   reference. It also makes segments of them, alone, behind a mutex, and in a sequence lock, queues and a vector if
//!   they can be copied, and reads and writes every leaf without the type. A struct with levels is used next to the one that
//!   it was at first.
//! - Refused ones go through `cargo check`: every definition that the reference refuses has an error of its own, no
//!   other has one, and errors about padding name every gap. The same definitions compile without the derive, so the
//!   derive refuses them.
//!
//! `SHM_PROPERTY_CASES` sets the number of cases, `SHM_PROPERTY_SEED` the seed. A failure prints the seed, and the
//! case's number and source.

mod case;
mod model;
mod recipe;
mod resolve;
mod source;

use std::fmt::Write;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::build::{Crate, Error, Workspace};
use case::Case;
use model::Verdict;
use source::Source;

/// The part of a generated program that compares.
const REPORT: &str = include_str!("report.rs");

/// The default number of cases.
const CASES: usize = 560;
/// The most cases in one crate, to limit the memory of the compiler.
const BATCH: usize = 350;

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {value:?}")),
    )
}

/// The cases of a seed, which are always the same.
fn draw(seed: u64, count: usize) -> Vec<Case> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = recipe::recipe();
    (0..count)
        .map(|_| {
            let tree = strategy.new_tree(&mut runner).expect("nothing is rejected");
            resolve::resolve(&tree.current())
        })
        .collect()
}

/// A drawn case.
struct Drawn {
    number: usize,
    case: Case,
    verdicts: Vec<Verdict>,
}

impl Drawn {
    fn new((number, case): (usize, Case)) -> Self {
        let verdicts = model::verdicts(&case);
        Self {
            number,
            case,
            verdicts,
        }
    }

    fn is_refused(&self) -> bool {
        self.verdicts.contains(&Verdict::Refused)
    }

    fn is_padded(&self) -> bool {
        let padded = |verdict: &Verdict| matches!(verdict, Verdict::Padded(_));
        !self.is_refused() && self.verdicts.iter().any(padded)
    }
}

/// The disagreements, with their sources.
#[derive(Default)]
struct Disagreements {
    text: String,
    count: usize,
}

impl Disagreements {
    fn add(&mut self, case: Option<&Drawn>, what: &str) {
        self.count += 1;
        // The first ones suffice.
        if self.count <= 10 {
            let source = case.map_or_else(String::new, |drawn| {
                source::alone(drawn.number, &drawn.case)
            });
            write!(self.text, "\n--- {what}\n{source}").expect("a String takes anything");
        }
    }
}

fn program(cases: &[&Drawn]) -> String {
    let mut source = Source::new(true);
    for drawn in cases {
        source.add(drawn.number, &drawn.case, true);
    }
    let calls: String = cases
        .iter()
        .map(|drawn| format!("    c{}::check(report);\n", drawn.number))
        .collect();
    format!(
        "{}\nfn check_all(report: &mut Report) {{\n{calls}}}\n{}",
        source.text, REPORT
    )
}

fn library(cases: &[&Drawn], derives: bool) -> Source {
    let mut source = Source::new(derives);
    for drawn in cases {
        source.add(drawn.number, &drawn.case, false);
    }
    source.text.push_str("\nfn main() {}\n");
    source
}

/// Builds and runs a program of accepted cases; returns how many definitions it compared.
fn compare(
    workspace: &Workspace,
    name: &str,
    cases: &[&Drawn],
    found: &mut Disagreements,
) -> usize {
    let output = workspace.run(name);
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    if !output.status.success() {
        found.add(
            None,
            &format!("{name} holds accepted cases only, and fails:\n{stderr}"),
        );
        return 0;
    }
    assert!(
        workspace.compile_headers() > 0,
        "each program writes headers"
    );
    for line in stdout
        .lines()
        .filter(|line| line.starts_with("DISAGREEMENT"))
    {
        let case = cases
            .iter()
            .find(|drawn| line.contains(&format!(" c{}::", drawn.number)));
        found.add(case.copied(), line);
    }
    let count = |what: &str| -> usize {
        let count = stdout.lines().find_map(|line| line.strip_prefix(what));
        count
            .and_then(|count| count.parse().ok())
            .unwrap_or_else(|| panic!("{name} did not come to its end: {stdout}"))
    };
    assert!(
        count("LEAVES ") >= cases.len(),
        "every case has leaves, which are accessed without the type"
    );
    for (what, one_in) in [("HELD ", 5), ("GROWN ", 10), ("TWICE ", 20)] {
        let (found, all) = (count(what), cases.len());
        assert!(found >= all / one_in, "{what}{found} of {all} cases");
        println!("{name}: {what}{found} of {all} cases");
    }
    count("COMPARED ")
}

/// Compares the errors of a batch with the verdicts.
fn judge(source: &Source, cases: &[&Drawn], errors: &[Error], found: &mut Disagreements) {
    let case = |number: usize| {
        let case = cases.iter().find(|drawn| drawn.number == number);
        *case.expect("the source has the cases of the batch")
    };
    let mut blamed: Vec<Vec<&Error>> = source.places.iter().map(|_| Vec::new()).collect();
    for error in errors {
        let place = error.lines.first().and_then(|lines| {
            source
                .places
                .iter()
                .position(|(_, _, place)| place.contains(&lines.start) && place.end >= lines.end)
        });
        match place {
            Some(place) => blamed[place].push(error),
            None => found.add(None, &format!("an error of no definition: {}", error.text)),
        }
    }
    for ((number, def, _), errors) in source.places.iter().zip(&blamed) {
        let drawn = case(*number);
        let texts: String = errors.iter().map(|error| error.text.as_str()).collect();
        match &drawn.verdicts[*def] {
            Verdict::Accepted if errors.is_empty() => {}
            Verdict::Accepted => {
                found.add(
                    Some(drawn),
                    &format!("S{def} has an error, but nothing is wrong: {texts}"),
                );
            }
            // Padding is checked once the types are valid, so not next to refused ones.
            Verdict::Padded(_) if drawn.is_refused() => {}
            _ if errors.is_empty() => {
                found.add(Some(drawn), &format!("S{def} is accepted, but must not be"));
            }
            Verdict::Refused => {}
            Verdict::Padded(gaps) => {
                for gap in gaps.iter().filter(|gap| !texts.contains(gap.as_str())) {
                    found.add(
                        Some(drawn),
                        &format!("S{def} has an error that does not say {gap:?}: {texts}"),
                    );
                }
            }
        }
    }
}

#[test]
fn derive_compiler_and_reference_agree() {
    let seed = variable("SHM_PROPERTY_SEED").unwrap_or(1);
    let count = variable("SHM_PROPERTY_CASES").map_or(CASES, |count| {
        usize::try_from(count).expect("it fits into memory")
    });
    let all: Vec<Drawn> = draw(seed, count)
        .into_iter()
        .enumerate()
        .map(Drawn::new)
        .collect();

    let refused: Vec<&Drawn> = all.iter().filter(|drawn| drawn.is_refused()).collect();
    let padded: Vec<&Drawn> = all.iter().filter(|drawn| drawn.is_padded()).collect();
    let accepted: Vec<&Drawn> = all
        .iter()
        .filter(|drawn| !drawn.is_refused() && !drawn.is_padded())
        .collect();
    for (what, class) in [
        ("refused", &refused),
        ("padded", &padded),
        ("accepted", &accepted),
    ] {
        assert!(
            class.len() * 10 >= count,
            "{} of {count} cases are {what}",
            class.len()
        );
    }

    // Some accepted ones are added, to show that errors stay at their definitions.
    let company: Vec<&Drawn> = accepted.iter().step_by(8).copied().collect();
    let mut crates = Vec::new();
    for (number, cases) in accepted.chunks(BATCH).enumerate() {
        crates.push((format!("accepted-{number}"), program(cases)));
    }
    let mut checked = Vec::new();
    for (what, class) in [("refused", &refused), ("padded", &padded)] {
        for (number, cases) in class.chunks(BATCH).enumerate() {
            let mut cases = cases.to_vec();
            cases.extend(company.iter().skip(number).step_by(1 + class.len() / BATCH));
            cases.sort_by_key(|drawn| drawn.number);
            let (derived, plain) = (library(&cases, true), library(&cases, false));
            crates.push((format!("{what}-{number}"), derived.text.clone()));
            crates.push((format!("{what}-{number}-plain"), plain.text.clone()));
            checked.push((format!("{what}-{number}"), cases, derived));
        }
    }
    let listed: Vec<Crate<'_>> = crates
        .iter()
        .map(|(name, text)| Crate::program(name, text))
        .collect();
    let workspace = Workspace::create("derive-property", &listed);

    let mut found = Disagreements::default();
    let mut compared = 0;
    for (number, cases) in accepted.chunks(BATCH).enumerate() {
        compared += compare(&workspace, &format!("accepted-{number}"), cases, &mut found);
    }
    for (name, cases, source) in &checked {
        judge(source, cases, &workspace.check(name), &mut found);
        for error in workspace.check(&format!("{name}-plain")) {
            found.add(
                None,
                &format!("{name} is wrong even without the derive: {}", error.text),
            );
        }
    }

    println!(
        "seed {seed}: {count} cases ({} accepted, {} refused, {} padded), {compared} definitions compared",
        accepted.len(),
        refused.len(),
        padded.len()
    );
    assert!(
        found.count == 0,
        "SHM_PROPERTY_SEED={seed} SHM_PROPERTY_CASES={count}: {} disagreements:\n{}",
        found.count,
        found.text
    );
    assert!(
        compared >= accepted.len(),
        "every accepted case is compared"
    );
}
