//! Builds the changes and runs the tests.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::list::Sources;
use super::programs::{Programs, Stage, all};
use super::reach::{Reach, Test};
use super::suite::{self, End, Program, Run};
use super::weave::{Change, Fabric, Way};
use super::{Outcome, SOURCES};
use crate::copy::{Copy, read};
use crate::orderings;

/// Added to the crate. The number is read before `main`, so that asking is a load and nothing else, in any process. If there is
/// a file to record what is reached, it is mapped in every process.
const ASK: &str = r#"
mod mutant {
    use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, Ordering::Relaxed};

    static NUMBER: AtomicU32 = AtomicU32::new(0);
    static REACHED: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());

    pub(crate) fn is(number: u32) -> bool {
        let reached = REACHED.load(Relaxed);
        if !reached.is_null() {
            unsafe { AtomicU8::from_ptr(reached.add(number as usize)) }.store(1, Relaxed);
        }
        NUMBER.load(Relaxed) == number
    }

    extern "C" fn read() {
        unsafe {
            let text = libc::getenv(c"SHM_MUTANT".as_ptr());
            if !text.is_null() {
                NUMBER.store(libc::atoi(text) as u32, Relaxed);
            }
            let file = libc::getenv(c"SHM_MUTANTS_REACHED".as_ptr());
            if !file.is_null() {
                map(file);
            }
        }
    }

    unsafe fn map(file: *const libc::c_char) {
        unsafe {
            let file = libc::open(file, libc::O_RDWR | libc::O_CLOEXEC);
            let len = libc::lseek(file, 0, libc::SEEK_END);
            if len > 0 {
                let access = libc::PROT_READ | libc::PROT_WRITE;
                let map = libc::mmap(core::ptr::null_mut(), len as usize, access, libc::MAP_SHARED, file, 0);
                if map != libc::MAP_FAILED {
                    REACHED.store(map.cast(), Relaxed);
                }
            }
            libc::close(file);
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
const TESTS: [&str; 21] = [
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
    "--test",
    "dynamic",
    "--test",
    "hostile",
];

/// Checks the crate together with its tests.
const CHECK: [&str; 6] = ["check", "-p", "shm-core", "--lib", "--profile", "test"];

/// How many changes of a file each test has noticed.
type Noticed = BTreeMap<String, BTreeMap<String, usize>>;

/// How many tests are run before others that take as long, of those that noticed most changes of the same file.
const FIRST: usize = 8;

/// Tests that take at most so long are run before those that take longer.
const STEPS: [Duration; 3] = [
    Duration::from_millis(300),
    Duration::from_millis(1500),
    Duration::from_secs(6),
];

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
    noticed: Mutex<Noticed>,
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
            noticed: Mutex::default(),
        }
    }

    /// Tries the changes that can be in one program. Those that turn out not to fit are left for [`rest`](Self::rest).
    pub(super) fn woven(
        &self,
        scratch: &Path,
        changes: &mut [Change],
    ) -> Result<(Outcomes, Reach), String> {
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
        let started = Instant::now();
        let count = changes.len() + 1;
        let workers = self.workers();
        let reach = Reach::record(&programs.all(), count, scratch, self.apart, workers)?;
        println!("unchanged: {} s", started.elapsed().as_secs());
        let (count, queue) = (numbered.len(), Mutex::new(numbered.into_iter().enumerate()));
        let outcomes = Mutex::new(Ok(Vec::new()));
        let work = || {
            loop {
                let Some((at, (number, change))) =
                    queue.lock().ok().and_then(|mut queue| queue.next())
                else {
                    return;
                };
                let stages = programs.stages(&change.file);
                let tried = self.attempt(Some(number), change, &stages, &reach);
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
            let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            for worker in workers {
                let _ = worker.join();
            }
        });
        let outcomes = outcomes.into_inner().map_err(|error| error.to_string())?;
        Ok((outcomes?, reach))
    }

    /// Tests wait more than they compute, so several run at once where they cannot meet.
    fn workers(&self) -> usize {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        if self.apart { 4 * processors } else { 1 }
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
    pub(super) fn rest(&self, changes: &[Change], reach: &Reach) -> Result<Outcomes, String> {
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
            let outcome = self.attempt_alone(change, reach)?;
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

    fn attempt_alone(&self, change: &Change, reach: &Reach) -> Result<Outcome, String> {
        if !self.copy.cargo(&CHECK, QUIET)?.0 {
            return Ok(Outcome::Refused);
        }
        // Most are noticed by the tests of shm-core, which are built much faster than all.
        let Ok(unit) = self.build(&["test", "--no-run", "-p", "shm-core", "--lib"], QUIET) else {
            return Ok(Outcome::Refused);
        };
        let unit = self.program("shm_core", &unit, "shm_core")?;
        let (outcome, _) = self.attempt(None, change, &[all(&unit)], reach)?;
        if outcome != Outcome::Survives {
            return Ok(outcome);
        }
        let Ok(programs) = self.programs() else {
            return Ok(Outcome::Refused);
        };
        let stages = programs.stages(&change.file);
        Ok(self.attempt(None, change, &stages[1..], reach)?.0)
    }

    /// Runs tests until one fails, and returns how long it took, in seconds: those that reach the change, if it is one of
    /// many in the program. The quickest come first, and of these the ones that noticed other changes of the file.
    fn attempt(
        &self,
        number: Option<usize>,
        change: &Change,
        stages: &[Stage<'_>],
        reach: &Reach,
    ) -> Result<(Outcome, u64), String> {
        let started = Instant::now();
        let likely = self.likely(&change.file);
        let mut batches: BTreeMap<_, Vec<&Test>> = BTreeMap::new();
        for (at, stage) in stages.iter().enumerate() {
            let tests = reach.tests(stage.0, number);
            for test in tests.filter(|test| stage.selects(&test.name)) {
                let step = STEPS.partition_point(|step| *step < test.took);
                let is_likely = likely.contains(&test.name);
                let place = (step, Reverse(is_likely), at);
                batches.entry(place).or_default().push(test);
            }
        }
        let mut outcome = Outcome::Survives;
        for ((.., at), tests) in batches {
            outcome = self
                .tests(stages[at].0, &tests, number.unwrap_or_default())
                .map_err(|error| format!("{}: {error}", change.name))?;
            if outcome != Outcome::Survives {
                break;
            }
        }
        if let (Outcome::Noticed(test), Ok(mut noticed)) = (&outcome, self.noticed.lock()) {
            let tests = noticed.entry(change.file.clone()).or_default();
            *tests.entry(test.clone()).or_default() += 1;
        }
        Ok((outcome, started.elapsed().as_secs()))
    }

    /// The tests that noticed most changes of a file.
    fn likely(&self, file: &str) -> Vec<String> {
        let Ok(noticed) = self.noticed.lock() else {
            return Vec::new();
        };
        let mut tests: Vec<_> = noticed.get(file).into_iter().flatten().collect();
        tests.sort_by_key(|(_, count)| Reverse(**count));
        let names = tests.into_iter().map(|(test, _)| test.clone());
        names.take(FIRST).collect()
    }

    /// Runs tests of one program. On a busy machine one may fail at any time, so it has to fail again, by itself. If some do
    /// not end in several times the time that they take, they have to do so twice.
    fn tests(&self, program: &Program, tests: &[&Test], number: usize) -> Result<Outcome, String> {
        let longest = tests.iter().map(|test| test.took).max().unwrap_or_default();
        let mut quiet = Duration::from_secs(10) + longest * 4;
        let run = |tests: &[&str], quiet| {
            program.run(&Run {
                tests: tests.iter().map(|&test| test.to_owned()).collect(),
                number,
                quiet,
                apart: self.apart,
                reached: None,
            })
        };
        let mut tests: Vec<&str> = tests.iter().map(|test| test.name.as_str()).collect();
        let mut again = false;
        while !tests.is_empty() {
            let ended = run(&tests, quiet)?;
            tests.retain(|test| !ended.passed.iter().any(|passed| passed == test));
            match ended.end {
                End::Passed => break,
                End::Failed(test) => {
                    if run(&[&test], quiet * 3)?.end != End::Passed {
                        return Ok(Outcome::Noticed(test));
                    }
                    println!("{test} failed, but not by itself, {number}");
                    tests.retain(|other| *other != test);
                }
                End::Hangs | End::Crashed if !std::mem::replace(&mut again, true) => quiet *= 3,
                End::Hangs => return Ok(Outcome::Hangs),
                End::Crashed => return Ok(Outcome::Noticed("the end of the program".to_owned())),
            }
        }
        Ok(Outcome::Survives)
    }

    /// Builds the tests of the copy as it is.
    fn programs(&self) -> Result<Programs, String> {
        let built = self.build(&TESTS, QUIET)?;
        let models = if self.with_models {
            let built = self.build(&orderings::BUILD, &format!("{QUIET} --cfg loom"))?;
            Some(self.program(suite::MODELS, &built, "shm_core")?)
        } else {
            None
        };
        Ok(Programs {
            unit: self.program("shm_core", &built, "shm_core")?,
            models,
            access: self.program("access", &built, "access")?,
            segment: self.program("segment", &built, "segment")?,
            system: self.program("system", &built, "system")?,
            claims: self.program("claims", &built, "claims")?,
            sync: self.program("sync", &built, "sync")?,
            dynamic: self.program("dynamic", &built, "dynamic")?,
            hostile: self.program("hostile", &built, "hostile")?,
        })
    }

    fn build(&self, arguments: &[&str], flags: &str) -> Result<String, String> {
        match self.copy.cargo(arguments, flags)? {
            (true, text) => Ok(text),
            (false, text) => Err(text),
        }
    }

    /// The test program of a target, by what cargo says of a build. `name` tells programs apart.
    fn program(&self, name: &'static str, built: &str, target: &str) -> Result<Program, String> {
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
        Ok(Program { name, file, folder })
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
