//! Killing a process after its k-th instruction, and counting its system calls.

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::{Peer, from_env};

/// How many instructions lie between two kills. The long form looks at every one: `SHM_STEP_STRIDE=1`.
#[must_use]
pub fn stride(otherwise: u64) -> usize {
    usize::try_from(from_env("SHM_STEP_STRIDE", otherwise)).expect("a number of instructions")
}

/// Waits for the peer's next signal, which it does not get.
fn until_signal(peer: Pid) -> Signal {
    match waitpid(peer, None).expect("the peer is traced") {
        WaitStatus::Stopped(_, signal) => signal,
        status => panic!("{status:?}"),
    }
}

/// Has the peer run a command, and stops it at the first of two signals (`SIGUSR1`) that it raises in it.
fn until_begun(peer: &mut Peer, command: &str) -> Pid {
    let pid = Pid::from_raw(peer.pid().cast_signed());
    ptrace::attach(pid).expect("children can be traced");
    assert_eq!(until_signal(pid), Signal::SIGSTOP);
    ptrace::cont(pid, None).expect("the peer is traced");
    peer.tell(command);
    assert_eq!(until_signal(pid), Signal::SIGUSR1);
    pid
}

/// Has the peer run a command, and counts the system calls between the two signals (`SIGUSR1`) that it raises in it. Those
/// of raising are among them, so this is to be compared with what a command does that does nothing.
///
/// # Panics
///
/// If the peer does anything else.
pub fn system_calls(mut peer: Peer, command: &str) -> usize {
    let pid = until_begun(&mut peer, command);
    ptrace::setoptions(pid, ptrace::Options::PTRACE_O_TRACESYSGOOD).expect("the peer is traced");
    let mut stops = 0;
    loop {
        ptrace::syscall(pid, None).expect("the peer is traced");
        match waitpid(pid, None).expect("the peer is traced") {
            WaitStatus::PtraceSyscall(_) => stops += 1,
            WaitStatus::Stopped(_, Signal::SIGUSR1) => break,
            status => panic!("{status:?}"),
        }
    }
    peer.kill();
    // At its beginning and at its end.
    stops / 2
}

/// Has the peer run a command, and calls `each` after each of its instructions between the two signals (`SIGUSR1`) that it
/// raises in it: what a peer can do at worst that is quicker than anybody. Returns how many instructions there were.
///
/// # Panics
///
/// If there are more than ten million, or the peer does anything else.
pub fn beset(peer: &mut Peer, command: &str, mut each: impl FnMut()) -> usize {
    let pid = until_begun(peer, command);
    for instruction in 0..10_000_000 {
        ptrace::step(pid, None).expect("the peer is traced");
        match until_signal(pid) {
            Signal::SIGTRAP => each(),
            Signal::SIGUSR1 => {
                ptrace::detach(pid, None).expect("the peer is traced");
                return instruction;
            }
            signal => panic!("{signal}"),
        }
    }
    panic!("`{command}` does not end");
}

/// Has the peer run a command, and what lies between the two signals (`SIGUSR1`) that it raises in it only up to the given
/// instruction, and kills it there. `false` when that was over before.
///
/// # Panics
///
/// If the peer does anything else.
pub fn kill_at(mut peer: Peer, command: &str, instruction: usize) -> bool {
    let pid = until_begun(&mut peer, command);
    let mut over = false;
    for _ in 0..instruction {
        ptrace::step(pid, None).expect("the peer is traced");
        match until_signal(pid) {
            Signal::SIGTRAP => {}
            Signal::SIGUSR1 => {
                over = true;
                break;
            }
            signal => panic!("{signal}"),
        }
    }
    peer.kill();
    !over
}
