//! Shares a segment between a process and its `fork` child.
//!
//! ```text
//! cargo run --example fork_demo
//! ```
//!
//! Does the same with two segments: an anonymous one, and one whose name is removed before the fork. It prints the page
//! size, the address of each segment, and the bytes that the child sees before and after the parent writes a text:
//!
//! ```text
//! child 4712 sees    |.|.|.|.|.|.|.|.|.|.|.|.|.|.|.|.|.|.|.|.|
//! parent 4711 writes Ala ma kota
//! child 4712 sees    |A|l|a| |m|a| |k|o|t|a|.|.|.|.|.|.|.|.|.|
//! ```
//!
//! No process sleeps for a guessed time. An atomic in the segment says whose turn it is, and the other process waits on it
//! with a futex. The library's `Event` and `Semaphore` do this for you; the example shows that a segment works with any
//! system call.

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

/// What the two processes share.
#[derive(ShmLayout)]
#[repr(C)]
struct Board {
    /// Whose turn it is. A new segment is all zeros, so the first turn is 0: the child prints the text.
    turn: AtomicU32,
    text: [u8; 20],
}

const PARENT_WRITES: u32 = 1;
const CHILD_READS_AGAIN: u32 = 2;

/// The child's exit code if standard output is a pipe without readers.
const BROKEN_PIPE: i32 = 3;

pub(crate) fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        // For example `fork_demo | head -1`.
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    writeln!(io::stdout(), "a page has {} bytes", page_size())?;

    demonstrate("anonymous segment", &Board::create_anonymous()?)?;

    let name = format!("/shm-fork-demo-{}", getpid());
    let named = Board::create(&name)?;
    // The mapping stays. A child inherits it, so it needs no name to attach to.
    named.unlink()?;
    demonstrate(&format!("segment `{name}`, its name removed"), &named)
}

fn demonstrate(what: &str, board: &Shm<Board>) -> Result<(), Failure> {
    let address = board.as_ptr().addr();
    writeln!(
        io::stdout(),
        "\n{what}: mapped at {:#x} ({} bytes), the board at {address:#x}",
        // The payload begins in the first page of the mapping, after the header.
        address & !(page_size() - 1),
        board.mapped_len(),
    )?;
    // Otherwise both processes would write what is left in the buffer.
    io::stdout().flush()?;

    let parent = getpid();
    // SAFETY: this process has a single thread, so the child can do everything that the parent can.
    match unsafe { fork() }? {
        ForkResult::Child => std::process::exit(match child(board, parent) {
            Ok(()) => 0,
            Err(failure) if failure.is_broken_pipe() => BROKEN_PIPE,
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
                // The child would wait forever.
                let _ = kill(child, Signal::SIGKILL);
                let _ = waitpid(child, None);
                Err(failure)
            }
        },
    }
}

fn child(board: &Shm<Board>, parent: Pid) -> Result<(), Failure> {
    // Without the parent, the child would wait forever.
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid() != parent {
        return Ok(());
    }
    show(board)?;
    set_turn(board, PARENT_WRITES);
    wait_for(board, CHILD_READS_AGAIN, || Ok(()))?;
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
    set_turn(board, CHILD_READS_AGAIN);
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

/// Gives the turn to the other process. `Release`: a process that sees the turn also sees the text written before it.
fn set_turn(board: &Shm<Board>, turn: u32) {
    board.turn.store(turn, Ordering::Release);
    // Cannot fail for a mapped address.
    let _ = futex::wake(&board.turn, futex::Flags::empty(), 1);
}

/// Sleeps until it is `turn`. Calls `check_peer` regularly: a process that dies does not wake its waiters.
fn wait_for(
    board: &Shm<Board>,
    turn: u32,
    check_peer: impl Fn() -> Result<(), Failure>,
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
        // Returns at once if the turn is no longer `now`, so no wake-up is missed. Whatever the result, the loop checks
        // again.
        let _ = futex::wait(&board.turn, futex::Flags::empty(), now, Some(&SLICE));
        check_peer()?;
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
            Self::ChildEnded(status) => matches!(status, WaitStatus::Exited(_, BROKEN_PIPE)),
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
                write!(f, "child {pid} was killed by {signal}")
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
