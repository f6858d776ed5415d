//! Builds the changes and runs the tests.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::list::Sources;
use super::suite::{self, End, Program};
use super::weave::{Change, Fabric, Way};
use super::{Outcome, SOURCES};
use crate::copy::{Copy, read};
use crate::orderings::{self, models_of};

/// Added to the crate. The number is read before `main`, so that asking is a load and nothing else, in any process.
const ASK: &str = r#"
mod mutant {
    use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

    static NUMBER: AtomicU32 = AtomicU32::new(0);

    pub(crate) fn is(number: u32) -> bool {
        NUMBER.load(Relaxed) == number
    }

    extern "C" fn read() {
        let text = unsafe { libc::getenv(c"SHM_MUTANT".as_ptr()) };
        if !text.is_null() {
            NUMBER.store(unsafe { libc::atoi(text) } as u32, Relaxed);
        }
    }

    #[used]
    #[unsafe(link_section = ".init_array")]
    static READ: extern "C" fn() = read;
}
"#;

/// What the compiler says of the changes is of no interest, except for errors.
const QUIET: &str = "--cap-lints=allow";

/// Builds the tests.
const TESTS: [&str; 17] = [
    "test",
    "--no-run",
    "-p",
    "shm-core",
    "-p",
    "shm-tests",
    "--lib",
    "--test",
    "access",
    "--test",
    "segment",
    "--test",
    "system",
    "--test",
    "claims",
    "--test",
    "sync",
];

/// How long no test may end while nothing is changed.
const UNCHANGED: Duration = Duration::from_secs(600);

/// Checks the crate together with its tests.
const CHECK: [&str; 6] = ["check", "-p", "shm-core", "--lib", "--profile", "test"];

/// The test programs.
struct Programs {
    unit: Program,
    /// Only if a protocol is changed.
    models: Option<Program>,
    access: Program,
    segment: Program,
    system: Program,
    claims: Program,
    sync: Program,
}

/// Tests to run: the program, how to select them, and how long none may end.
struct Stage<'a>(&'a Program, Vec<String>, Duration);

/// The longest time in which no test of a program ends, by the program.
pub(super) struct Usual(BTreeMap<PathBuf, Duration>);

impl Usual {
    fn quiet(&self, program: &Program) -> Duration {
        let usual = self.0.get(&program.file).copied().unwrap_or_default();
        Duration::from_secs(60) + usual * 4
    }
}

impl Programs {
    /// What may notice a change in this file, the quickest first.
    fn stages<'a>(&'a self, file: &str, usual: &Usual) -> Vec<Stage<'a>> {
        let file = file.strip_prefix(SOURCES).unwrap_or(file);
        let all = Vec::new;
        let stages: Vec<(&Program, Vec<String>)> =
            if let Some(protocol) = file.strip_prefix("protocol/") {
                let protocol = protocol.trim_end_matches(".rs");
                let own = models_of(protocol);
                let skip = |names: &[String]| {
                    names
                        .iter()
                        .flat_map(|name| ["--skip".to_owned(), name.clone()])
                        .collect::<Vec<_>>()
                };
                let seeded = skip(&["caught".to_owned()]);
                let tests = vec![format!("{protocol}::")];
                let others = [
                    vec!["protocol::loom".to_owned()],
                    skip(&own),
                    seeded.clone(),
                ]
                .concat();
                let models = |filter| Some((self.models.as_ref()?, filter));
                let stages = [
                    Some((&self.unit, all())),
                    models([own, seeded].concat()),
                    Some((&self.sync, tests.clone())),
                    Some((&self.claims, all())),
                    Some((&self.sync, skip(&tests))),
                    models(others),
                ];
                stages.into_iter().flatten().collect()
            } else if file.starts_with("claim/") {
                let programs = [
                    &self.unit,
                    &self.claims,
                    &self.sync,
                    &self.system,
                    &self.segment,
                ];
                programs.map(|program| (program, all())).into()
            } else {
                let programs = [
                    &self.unit,
                    &self.access,
                    &self.segment,
                    &self.system,
                    &self.claims,
                    &self.sync,
                ];
                programs.map(|program| (program, all())).into()
            };
        stages
            .into_iter()
            .map(|(program, filter)| Stage(program, filter, usual.quiet(program)))
            .collect()
    }

    /// All, and how to select the tests.
    fn all(&self) -> impl Iterator<Item = (&Program, &[&str])> {
        let models: &[&str] = &["protocol::loom", "--skip", "caught"];
        let models = self.models.iter().map(move |program| (program, models));
        let others = [
            &self.unit,
            &self.access,
            &self.segment,
            &self.system,
            &self.claims,
            &self.sync,
        ];
        models.chain(others.map(|program| (program, &[][..])))
    }
}

/// What became of changes, by their names.
type Outcomes = Vec<(String, Outcome)>;

/// Where the changes are tried.
pub(super) struct Bench<'a> {
    copy: Copy<'a>,
    sources: &'a Sources,
    /// Whether to run the models under loom, which know protocols only.
    with_models: bool,
    /// Whether programs run with a `/dev/shm` of their own.
    apart: bool,
}

impl<'a> Bench<'a> {
    pub(super) fn new(copy: Copy<'a>, sources: &'a Sources, changes: &[Change]) -> Self {
        Self {
            copy,
            sources,
            with_models: changes
                .iter()
                .any(|change| change.name.starts_with("protocol/")),
            apart: suite::can_be_apart(),
        }
    }

    /// Tries the changes that can be in one program. Those that turn out not to fit are left for [`rest`](Self::rest).
    pub(super) fn woven(&self, changes: &mut [Change]) -> Result<(Outcomes, Usual), String> {
        let lib = Path::new(SOURCES).join("lib.rs");
        self.copy.write(&lib, &(read(&lib)? + ASK))?;
        self.fit(changes)?;
        let started = Instant::now();
        let programs = self.programs()?;
        println!("built: {} s", started.elapsed().as_secs());
        let numbered: Vec<(usize, &Change)> = (1..)
            .zip(&*changes)
            .filter(|(_, change)| matches!(change.way, Way::Woven(_)))
            .collect();
        let usual = self.usual(&programs)?;
        let (count, queue) = (numbered.len(), Mutex::new(numbered.into_iter().enumerate()));
        let outcomes = Mutex::new(Ok(Vec::new()));
        let work = || {
            loop {
                let Some((at, (number, change))) =
                    queue.lock().ok().and_then(|mut queue| queue.next())
                else {
                    return;
                };
                let tried = self.attempt(number, change, &programs.stages(&change.file, &usual));
                let Ok(mut outcomes) = outcomes.lock() else {
                    return;
                };
                let Ok(list) = &mut *outcomes else {
                    return;
                };
                match tried {
                    Ok((outcome, seconds)) => {
                        println!("{}/{count} {}: {outcome}, {seconds} s", at + 1, change.name);
                        list.push((change.name.clone(), outcome));
                    }
                    Err(error) => *outcomes = Err(error),
                }
            }
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.workers()).map(|_| scope.spawn(work)).collect();
            for worker in workers {
                let _ = worker.join();
            }
        });
        let outcomes = outcomes.into_inner().map_err(|error| error.to_string())?;
        Ok((outcomes?, usual))
    }

    /// Tests wait more than they compute, so several run at once where they cannot meet.
    fn workers(&self) -> usize {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        if self.apart { 4 * processors } else { 1 }
    }

    /// Runs everything unchanged.
    fn usual(&self, programs: &Programs) -> Result<Usual, String> {
        let mut usual = BTreeMap::new();
        for (program, filter) in programs.all() {
            let filter: Vec<String> = filter.iter().map(|&part| part.to_owned()).collect();
            let started = Instant::now();
            let (outcome, longest) = self.stage(program, &filter, 0, UNCHANGED)?;
            let name = program.file.display();
            if outcome != Outcome::Survives {
                return Err(format!("{name}, unchanged: {outcome}"));
            }
            println!("{name}: {} s", started.elapsed().as_secs());
            usual.insert(program.file.clone(), longest);
        }
        Ok(Usual(usual))
    }

    /// Weaves the changes into the copy, except for those that the compiler does not accept there.
    fn fit(&self, changes: &mut [Change]) -> Result<(), String> {
        loop {
            let mut fabrics = BTreeMap::new();
            for (file, text) in self.sources {
                let numbered: Vec<(usize, &Change)> = (1..)
                    .zip(&*changes)
                    .filter(|(_, change)| change.file == *file)
                    .collect();
                let fabric = Fabric::weave(text, &numbered);
                self.copy.write(file.as_ref(), &fabric.text)?;
                fabrics.insert(file.as_str(), fabric);
            }
            let mut unfit = BTreeMap::new();
            let builds = [(true, ""), (self.with_models, " --cfg loom")];
            for (_, loom) in builds.into_iter().filter(|(wanted, _)| *wanted) {
                let flags = format!("{QUIET}{loom}");
                let (success, text) = self.copy.cargo(&CHECK, &flags)?;
                if !success {
                    for error in errors(&text) {
                        let (number, way) = belongs_to(&error, &fabrics).ok_or_else(|| {
                            format!(
                                "an error belongs to no change: {}",
                                error["rendered"].as_str().unwrap_or(&text)
                            )
                        })?;
                        unfit.insert(number, way);
                    }
                    if unfit.is_empty() {
                        return Err(text);
                    }
                    break;
                }
            }
            if unfit.is_empty() {
                return Ok(());
            }
            for (number, way) in unfit {
                changes[number - 1].way = way;
            }
        }
    }

    /// Tries each of the changes that are not in one program with the others.
    pub(super) fn rest(&self, changes: &[Change], usual: &Usual) -> Result<Outcomes, String> {
        for (file, text) in self.sources {
            self.copy.write(file.as_ref(), text)?;
        }
        let alone: Vec<&Change> = changes
            .iter()
            .filter(|change| matches!(change.way, Way::Alone))
            .collect();
        let mut outcomes: Outcomes = changes
            .iter()
            .filter(|change| matches!(change.way, Way::Refused))
            .map(|change| (change.name.clone(), Outcome::Refused))
            .collect();
        for (at, change) in (1..).zip(&alone) {
            let started = Instant::now();
            let original = &self.sources[&change.file];
            let file = change.file.as_ref();
            self.copy.write(file, &change.apply(original))?;
            let outcome = self.attempt_alone(change, usual)?;
            self.copy.write(file, original)?;
            let (count, seconds) = (alone.len(), started.elapsed().as_secs());
            println!(
                "{at}/{count} {}: {outcome}, alone, {seconds} s",
                change.name
            );
            outcomes.push((change.name.clone(), outcome));
        }
        Ok(outcomes)
    }

    fn attempt_alone(&self, change: &Change, usual: &Usual) -> Result<Outcome, String> {
        if !self.copy.cargo(&CHECK, QUIET)?.0 {
            return Ok(Outcome::Refused);
        }
        // Most are noticed by the tests of shm-core, which are built much faster than all.
        let Ok(unit) = self.build(&["test", "--no-run", "-p", "shm-core", "--lib"], QUIET) else {
            return Ok(Outcome::Refused);
        };
        let unit = self.program(&unit, "shm_core")?;
        let stage = Stage(&unit, Vec::new(), usual.quiet(&unit));
        let (outcome, _) = self.attempt(0, change, &[stage])?;
        if outcome != Outcome::Survives {
            return Ok(outcome);
        }
        let Ok(programs) = self.programs() else {
            return Ok(Outcome::Refused);
        };
        let stages = programs.stages(&change.file, usual);
        Ok(self.attempt(0, change, &stages[1..])?.0)
    }

    /// Runs tests until one fails, and returns how long it took, in seconds.
    fn attempt(
        &self,
        number: usize,
        change: &Change,
        stages: &[Stage<'_>],
    ) -> Result<(Outcome, u64), String> {
        let started = Instant::now();
        let mut outcome = Outcome::Survives;
        for Stage(program, filter, quiet) in stages {
            (outcome, _) = self
                .stage(program, filter, number, *quiet)
                .map_err(|error| format!("{}: {error}", change.name))?;
            if outcome != Outcome::Survives {
                break;
            }
        }
        Ok((outcome, started.elapsed().as_secs()))
    }

    /// Runs the tests of one program. On a busy machine one may fail at any time, so it has to fail again, by
    /// itself. Those that do not end have to do so twice.
    fn stage(
        &self,
        program: &Program,
        filter: &[String],
        number: usize,
        quiet: Duration,
    ) -> Result<(Outcome, Duration), String> {
        let mut filter = filter.to_vec();
        let mut again = false;
        loop {
            let (end, longest) = program.run(&filter, number, quiet, self.apart)?;
            let outcome = match end {
                End::Passed => Outcome::Survives,
                End::Failed(test) => {
                    let alone = [test.clone(), "--exact".to_owned()];
                    if program.run(&alone, number, quiet, self.apart)?.0 == End::Passed {
                        println!("{test} failed, but not by itself, {number}");
                        filter.extend(["--skip".to_owned(), test]);
                        continue;
                    }
                    Outcome::Noticed(test)
                }
                End::Hangs | End::Crashed if !std::mem::replace(&mut again, true) => continue,
                End::Hangs => Outcome::Hangs,
                End::Crashed => Outcome::Noticed("the end of the program".to_owned()),
            };
            return Ok((outcome, longest));
        }
    }

    /// Builds the tests of the copy as it is.
    fn programs(&self) -> Result<Programs, String> {
        let built = self.build(&TESTS, QUIET)?;
        let models = if self.with_models {
            let built = self.build(&orderings::BUILD, &format!("{QUIET} --cfg loom"))?;
            Some(self.program(&built, "shm_core")?)
        } else {
            None
        };
        Ok(Programs {
            unit: self.program(&built, "shm_core")?,
            models,
            access: self.program(&built, "access")?,
            segment: self.program(&built, "segment")?,
            system: self.program(&built, "system")?,
            claims: self.program(&built, "claims")?,
            sync: self.program(&built, "sync")?,
        })
    }

    fn build(&self, arguments: &[&str], flags: &str) -> Result<String, String> {
        match self.copy.cargo(arguments, flags)? {
            (true, text) => Ok(text),
            (false, text) => Err(text),
        }
    }

    /// The test program of a target, by what cargo says of a build.
    fn program(&self, built: &str, target: &str) -> Result<Program, String> {
        let found = messages(built).find(|message| {
            message["target"]["name"] == target
                && message["profile"]["test"] == true
                && message["executable"].is_string()
        });
        let found = found.ok_or_else(|| format!("no test program {target} was built"))?;
        let path = |of: &Value| of.as_str().map(PathBuf::from);
        let file = path(&found["executable"]).unwrap_or_default();
        let mut folder = path(&found["manifest_path"]).unwrap_or_default();
        folder.pop();
        Ok(Program { file, folder })
    }
}

/// What cargo says as JSON, by lines.
fn messages(text: &str) -> impl Iterator<Item = Value> + '_ {
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
}

/// The errors of the compiler that have a place.
fn errors(text: &str) -> impl Iterator<Item = Value> + '_ {
    messages(text)
        .map(|mut message| message["message"].take())
        .filter(|message| {
            message["level"] == "error"
                && message["spans"]
                    .as_array()
                    .is_some_and(|spans| !spans.is_empty())
        })
}

/// The number of the change to which an error belongs, and how to make the change instead. One with an error in its own text
/// has the error alone too.
pub(super) fn belongs_to(error: &Value, fabrics: &BTreeMap<&str, Fabric>) -> Option<(usize, Way)> {
    let spans = || error["spans"].as_array().into_iter().flatten();
    let at = |span: &Value, own: bool| {
        let fabric = fabrics.get(span["file_name"].as_str()?)?;
        let byte = |of: &str| usize::try_from(span[of].as_u64()?).ok();
        fabric.change_at(&(byte("byte_start")?..byte("byte_end")?), own)
    };
    let primary = || spans().filter(|span| span["is_primary"] == true);
    if let Some(number) = primary().find_map(|span| at(span, true)) {
        return Some((number, Way::Refused));
    }
    let number = spans()
        .find_map(|span| at(span, true))
        .or_else(|| primary().find_map(|span| at(span, false)))
        .or_else(|| spans().find_map(|span| at(span, false)))?;
    Some((number, Way::Alone))
}
