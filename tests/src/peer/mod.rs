//! The peer program: it takes one command per line and answers each with one line, `ok ..` or `err Variant text`.
//!
//! It has a single thread, so that it can fork, and exits when its input ends.

mod broadcast;
mod claims;
mod closed_stdio;
mod dynamic;
mod handles;
mod listing;
mod loops;
mod overwriting;
mod process;
mod random_operations;
mod recoverable;
mod restrictions;
mod ring;
mod ring_fork;
mod ring_system_calls;
mod rounds;
mod seqlock;
mod socket;
mod system_calls;
mod timeouts;
mod versions;
mod waiting;

use std::collections::HashMap;
use std::fmt::Display;
use std::fs::File;
use std::io::stdin;
use std::process::ExitCode;
use std::str::FromStr;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, raise};
use shm_core::dynamic::DynSegment;
use shm_core::{ShmError, ShmLayout};

use crate::driver::variant;
use crate::segments::Telemetry;
use handles::Handle;
pub use rounds::ROUND_TIMEOUT;

/// Descriptors from this number on stay open when the program starts. Lower ones but the standard streams are closed: they
/// are what the shell or `cargo` left open, and tests that limit or count descriptors must not depend on them.
pub const FIRST_INHERITED: u32 = 100;

/// Runs the program.
#[must_use]
pub fn run() -> ExitCode {
    // Some tests expect a crash; its core file is useless.
    if setrlimit(Resource::RLIMIT_CORE, 0, 0).is_err() {
        return ExitCode::FAILURE;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => {
            // SAFETY: nothing in this process has opened a descriptor yet. Kernels before 5.9 refuse the call, which then
            // does nothing.
            unsafe { libc::syscall(libc::SYS_close_range, 3, FIRST_INHERITED - 1, 0) };
            Program::default().serve();
        }
        [mode] if mode == "fds" => println!("{}", process::shared_fds()),
        _ => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

/// Why a command failed.
enum Failure {
    Shm(ShmError),
    Other(String),
}

impl From<ShmError> for Failure {
    fn from(error: ShmError) -> Self {
        Self::Shm(error)
    }
}

/// The result of a command.
type Answer = Result<String, Failure>;

fn other(reason: impl Display) -> Failure {
    Failure::Other(reason.to_string())
}

/// The words of a command, taken one by one.
struct Words<'a>(std::str::SplitWhitespace<'a>);

impl<'a> Words<'a> {
    fn next(&mut self) -> Result<&'a str, Failure> {
        self.0.next().ok_or_else(|| other("a word is missing"))
    }

    fn number<T: FromStr<Err: Display>>(&mut self) -> Result<T, Failure> {
        self.next()?.parse().map_err(other)
    }
}

/// The next line of the input without its end; `None` when it has ended.
fn line() -> Option<String> {
    let mut line = String::new();
    match stdin().read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line.trim_end().to_owned()),
    }
}

#[derive(Default)]
struct Program {
    handles: HashMap<String, Handle>,
    /// Files that hold locks until this process exits.
    pins: Vec<File>,
    claims: Option<claims::Claims>,
    dynamic: Option<DynSegment>,
    recoverable: Option<recoverable::Place>,
    ring: Option<ring::Ends>,
    seqlocks: seqlock::SeqLocks,
    broadcasts: broadcast::Broadcasts,
    waiting: Option<waiting::Attachment>,
    versions: versions::Handles,
}

impl Program {
    fn serve(&mut self) {
        while let Some(line) = line() {
            match self.obey(Words(line.split_whitespace())) {
                Ok(result) => println!("ok {result}"),
                Err(Failure::Shm(error)) => println!("err {} {error}", variant(&error)),
                Err(Failure::Other(reason)) => println!("bad {reason}"),
            }
        }
    }

    fn obey(&mut self, mut words: Words<'_>) -> Answer {
        match words.next()? {
            "open" => self.open(&mut words),
            "drop" => {
                self.handles.remove(words.next()?);
                Ok(String::new())
            }
            "store" => self.at(&mut words)?.store(words.number()?),
            "load" => self.at(&mut words)?.load(),
            "raw-write" => self.at(&mut words)?.raw_write(),
            "current" => Ok(self.at(&mut words)?.is_current().to_string()),
            "owned" => Ok(self.at(&mut words)?.has_owner().to_string()),
            "persist" => self.at(&mut words)?.persist(),
            "adopt" => self.at(&mut words)?.adopt(),
            "unlink" => self.at(&mut words)?.unlink(),
            "remove" => Ok(Telemetry::unlink(words.next()?).map(|()| String::new())?),
            "offer" => self.offer(&mut words),
            "race" => self.race(&mut words),
            "huge" => handles::huge(words.next()?),
            "large" => handles::large(words.next()?),
            "huge-pages" => handles::huge_pages(words.next()?),
            "populate" => handles::populate(words.next()?),
            "loop-create" => loops::create(&mut words),
            "loop-sweep" => loops::sweep(&mut words),
            "loop-random" => random_operations::random_operations(&mut words),
            "loop-attach" => loops::attach(&mut words),
            "fd" => Ok(self.at(&mut words)?.fd().to_string()),
            "fds" => Ok(process::shared_fds()),
            "exec-fds" => process::exec_fds(),
            "replace-descriptor" => self.replace_descriptor(&mut words),
            "fork-closed-stdio" => closed_stdio::in_child_without(&mut words),
            "fork-drop" => self.fork_drop(&mut words),
            "fork-outlive" => self.fork_outlive(&mut words),
            "fork-adopters" => self.fork_adopters(&mut words),
            "fork-continue" => process::fork_continue(),
            "fork-idle" => process::fork_idle(),
            "spawn-hanging" => process::spawn_hanging(words.next()?),
            "fork-exchange" => self.at(&mut words)?.fork_exchange(),
            "between" => self.between(words),
            "calls" => system_calls::obey(&mut words),
            "claims" => self.obey_claims(&mut words),
            "dynamic" => self.obey_dynamic(&mut words),
            "recoverable" => self.obey_recoverable(&mut words),
            "ring" => self.obey_ring(&mut words),
            "seqlock" => self.obey_seqlock(&mut words),
            "broadcast" => self.obey_broadcast(&mut words),
            "waiting" => self.obey_waiting(&mut words),
            "version" => self.obey_version(&mut words),
            "timeouts" => Self::obey_timeouts(&mut words),
            "pin" => self.pin(&mut words),
            "umask" => process::umask(words.next()?),
            "setuid" => process::set_user(words.number()?),
            "list" => listing::list(words.next()?),
            "participants" => listing::participants(words.next()?),
            "list-all" => listing::list_all(),
            "sweep" => listing::sweep(),
            "own-shm" => restrictions::own_shm(words.next()?),
            "read-only-shm" => restrictions::read_only_shm(),
            "user-namespace" => restrictions::user_namespace(words.next()?),
            "no-proc" => restrictions::no_proc(),
            "no-unnamed-files" => restrictions::no_unnamed_files(),
            "forbid" => restrictions::forbid(words.next()?),
            "interrupt-reserving" => restrictions::interrupt_reserving(words.number()?),
            "limit" => restrictions::limit(words.next()?, words.number()?),
            "pid" => Ok(std::process::id().to_string()),
            "usage" => restrictions::usage(),
            "scribble" => overwriting::scribble(&mut words),
            "use-all" => overwriting::endure(&mut words),
            "rounds" => loops::rounds(&mut words),
            unknown => Err(other(format!("there is no command `{unknown}`"))),
        }
    }

    /// `between COMMAND`: runs the rest between two signals, for a test that steps through it.
    fn between(&mut self, words: Words<'_>) -> Answer {
        raise(Signal::SIGUSR1).map_err(other)?;
        let answer = self.obey(words);
        raise(Signal::SIGUSR1).map_err(other)?;
        answer
    }

    /// The handle in the slot named by the next word.
    fn at(&mut self, words: &mut Words<'_>) -> Result<&Handle, Failure> {
        let slot = words.next()?;
        self.handles
            .get(slot)
            .ok_or_else(|| other(format!("nothing is in `{slot}`")))
    }
}
