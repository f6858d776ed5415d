//! The classic: two processes, related by `fork`, and a text that one of them writes.
//!
//! ```text
//! cargo run --example fork_demo
//! ```
//!
//! One sees the page size, then for two regions (one has no name, the other's name is
//! removed before the fork) where they lie in memory, and the bytes as the child sees
//! them, before and after the parent writes a text there:
//!
//! ```text
//! child 4712 sees    |.|.|.|.|.|.|.|.|.|.|.|.|.|.|.|.|.|.|.|.|
//! parent 4711 writes Ala ma kota
//! child 4712 sees    |A|l|a| |m|a| |k|o|t|a|.|.|.|.|.|.|.|.|.|
//! ```
//!
//! Nobody naps until the other is surely done. The region has an atomic that says
//! whose turn it is, and who is not on sleeps on it in the kernel (a futex).

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid};
use rustix::param::page_size;
use rustix::thread::futex::{self, Timespec};
use shm_core::{Shm, ShmError, ShmLayout};

const TEXT: &str = "Ala ma kota";

/// What the two share.
#[derive(ShmLayout)]
#[repr(C)]
struct Board {
    /// Whose turn it is. All bytes of a new region are zero, and 0 is the child's first look.
    turn: AtomicU32,
    text: [u8; 20],
}

const PARENT_WRITES: u32 = 1;
const CHILD_LOOKS_AGAIN: u32 = 2;

/// The child's exit code when the pipe that it writes to has no reader any more.
const NOBODY_READS: i32 = 3;

pub(crate) fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody reads on: `fork_demo | head -1`.
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    writeln!(io::stdout(), "a page has {} bytes", page_size())?;

    demonstrate("anonymous region", &Board::create_anonymous()?)?;

    let name = format!("/shm-fork-demo-{}", getpid());
    let named = Board::create(&name)?;
    // The mapping stays; a name is only there to be attached to, which a child need not do.
    named.unlink()?;
    demonstrate(&format!("region `{name}`, its name removed"), &named)
}

fn demonstrate(what: &str, board: &Shm<Board>) -> Result<(), Failure> {
    let address = board.as_ptr().addr();
    writeln!(
        io::stdout(),
        "\n{what}: mapped at {:#x} ({} bytes), the board at {address:#x}",
        // The board begins in the mapping's first page, behind the header.
        address & !(page_size() - 1),
        board.mapped_len(),
    )?;
    // What is left in the buffer would be written by both.
    io::stdout().flush()?;

    let parent = getpid();
    // SAFETY: this process has a single thread, so the child may do all that its parent could.
    match unsafe { fork() }? {
        ForkResult::Child => std::process::exit(match child(board, parent) {
            Ok(()) => 0,
            Err(failure) if failure.is_broken_pipe() => NOBODY_READS,
            Err(failure) => {
                let _ = writeln!(io::stderr(), "error: in the child: {failure}");
                1
            }
        }),
        ForkResult::Parent { child } => match write_text(board, child) {
            Ok(()) => match waitpid(child, None)? {
                WaitStatus::Exited(_, 0) => Ok(writeln!(io::stdout(), "child {child} has ended")?),
                status => Err(status.into()),
            },
            Err(failure @ Failure::ChildEnded(_)) => Err(failure),
            Err(failure) => {
                // Its turn will never come.
                let _ = kill(child, Signal::SIGKILL);
                let _ = waitpid(child, None);
                Err(failure)
            }
        },
    }
}

fn child(board: &Shm<Board>, parent: Pid) -> Result<(), Failure> {
    // Without the parent nobody would ever take the next turn.
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid() != parent {
        return Ok(());
    }
    show(board)?;
    pass(board, PARENT_WRITES);
    wait_for(board, CHILD_LOOKS_AGAIN, || Ok(()))?;
    show(board)
}

fn write_text(board: &Shm<Board>, child: Pid) -> Result<(), Failure> {
    wait_for(board, PARENT_WRITES, || {
        match waitpid(child, Some(WaitPidFlag::WNOHANG))? {
            WaitStatus::StillAlive => Ok(()),
            status => Err(status.into()),
        }
    })?;
    writeln!(io::stdout(), "parent {} writes {TEXT}", getpid())?;
    board.text[..TEXT.len()].write_from(TEXT.as_bytes());
    pass(board, CHILD_LOOKS_AGAIN);
    Ok(())
}

fn show(board: &Shm<Board>) -> Result<(), Failure> {
    let mut out = io::stdout();
    write!(out, "child {} sees    |", getpid())?;
    for byte in board.text.to_vec() {
        match byte {
            b' '..=b'~' => write!(out, "{}|", char::from(byte))?,
            0 => write!(out, ".|")?,
            _ => write!(out, "{byte:02x}|")?,
        }
    }
    writeln!(out)?;
    Ok(out.flush()?)
}

/// Gives the turn to the other process. `Release`: who sees it sees what was written before.
fn pass(board: &Shm<Board>, turn: u32) {
    board.turn.store(turn, Ordering::Release);
    // Cannot fail for an address that is mapped, and this one is.
    let _ = futex::wake(&board.turn, futex::Flags::empty(), 1);
}

/// Sleeps until it is `turn`, and asks now and then whether waiting still makes sense: a
/// process that dies does not wake those that wait for it.
fn wait_for(
    board: &Shm<Board>,
    turn: u32,
    makes_sense: impl Fn() -> Result<(), Failure>,
) -> Result<(), Failure> {
    const SLICE: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: 50_000_000,
    };
    loop {
        let now = board.turn.load(Ordering::Acquire);
        if now == turn {
            return Ok(());
        }
        // Returns at once if the turn is no longer `now`, so no wake-up is missed. Any
        // other reason to return, be it an error, leads to another look.
        let _ = futex::wait(&board.turn, futex::Flags::empty(), now, Some(&SLICE));
        makes_sense()?;
    }
}

#[derive(Debug)]
enum Failure {
    Shm(ShmError),
    Io(io::Error),
    ChildEnded(WaitStatus),
}

impl Failure {
    fn is_broken_pipe(&self) -> bool {
        match self {
            Self::Io(error) => error.kind() == io::ErrorKind::BrokenPipe,
            Self::ChildEnded(status) => matches!(status, WaitStatus::Exited(_, NOBODY_READS)),
            Self::Shm(_) => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shm(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::ChildEnded(WaitStatus::Signaled(pid, signal, _)) => {
                write!(f, "child {pid} was ended by {signal}")
            }
            Self::ChildEnded(WaitStatus::Exited(pid, code)) => {
                write!(f, "child {pid} ended too early, with exit code {code}")
            }
            Self::ChildEnded(_) => f.write_str("the child ended too early"),
        }
    }
}

impl From<ShmError> for Failure {
    fn from(error: ShmError) -> Self {
        Self::Shm(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<WaitStatus> for Failure {
    fn from(status: WaitStatus) -> Self {
        Self::ChildEnded(status)
    }
}

impl From<nix::Error> for Failure {
    fn from(errno: nix::Error) -> Self {
        Self::Io(errno.into())
    }
}
