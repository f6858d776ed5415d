//! Which tests reach which changes: the others cannot notice them.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::suite::{End, Program, Run};

/// How long a test may take while nothing is changed.
const UNCHANGED: Duration = Duration::from_secs(600);

/// How often a test may fail while nothing is changed.
const TRIES: usize = 3;

/// A test, and a byte for each number of a change, which is not 0 if the test reaches the change.
pub(super) struct Test {
    pub(super) name: String,
    reached: Vec<u8>,
    /// How long it takes while nothing is changed.
    pub(super) took: Duration,
}

/// The tests of each program, by the name of the program.
pub(super) struct Reach(BTreeMap<&'static str, Vec<Test>>);

impl Reach {
    /// Runs each test of the programs by itself, while nothing is changed. Numbers are below `count`.
    pub(super) fn record(
        programs: &[&Program],
        count: usize,
        scratch: &Path,
        apart: bool,
        workers: usize,
    ) -> Result<Self, String> {
        let mut wanted = Vec::new();
        for program in programs {
            wanted.extend(program.tests()?.into_iter().map(|test| (*program, test)));
        }
        let queue = Mutex::new(wanted.into_iter());
        let results = Mutex::new(Ok(BTreeMap::<_, Vec<Test>>::new()));
        let work = |worker: usize| {
            let file = scratch.join(format!("reached.{worker}"));
            loop {
                let Some((program, name)) = queue.lock().ok().and_then(|mut queue| queue.next())
                else {
                    return;
                };
                let test = Test::record(program, name, count, &file, apart);
                let Ok(mut results) = results.lock() else {
                    return;
                };
                match (&mut *results, test) {
                    (Ok(tests), Ok(test)) => tests.entry(program.name).or_default().push(test),
                    (Ok(_), Err(error)) => *results = Err(error),
                    (Err(_), _) => return,
                }
            }
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..workers)
                .map(|worker| scope.spawn(move || work(worker)))
                .collect();
            for worker in workers {
                let _ = worker.join();
            }
        });
        let tests = results.into_inner().map_err(|error| error.to_string())??;
        Ok(Self(tests))
    }

    /// The tests of a program that reach a change, or all of them.
    pub(super) fn tests(
        &self,
        program: &Program,
        number: Option<usize>,
    ) -> impl Iterator<Item = &Test> {
        let tests = self.0.get(program.name).into_iter().flatten();
        tests.filter(move |test| number.is_none_or(|number| test.reached[number] != 0))
    }
}

impl Test {
    fn record(
        program: &Program,
        name: String,
        count: usize,
        file: &Path,
        apart: bool,
    ) -> Result<Self, String> {
        let failed = |error| format!("{}: {error}", file.display());
        let mut started = Instant::now();
        let mut end = None;
        for _ in 0..TRIES {
            // Processes of a test may run as other users.
            fs::write(file, vec![0; count])
                .and_then(|()| fs::set_permissions(file, Permissions::from_mode(0o666)))
                .map_err(failed)?;
            started = Instant::now();
            let run = Run {
                tests: vec![name.clone()],
                number: 0,
                quiet: UNCHANGED,
                apart,
                reached: Some(file),
            };
            end = Some(program.run(&run)?.end);
            if end == Some(End::Passed) {
                break;
            }
        }
        if end != Some(End::Passed) {
            return Err(format!("{name} of {}, unchanged: {end:?}", program.name));
        }
        Ok(Self {
            name,
            reached: fs::read(file).map_err(failed)?,
            took: started.elapsed(),
        })
    }
}
