//! Killing a process after its k-th instruction.

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

/// Has the peer run a command, and what lies between the two signals (`SIGUSR1`) that it raises in it only up to the given
/// instruction, and kills it there. `false` when that was over before.
///
/// # Panics
///
/// If the peer does anything else.
pub fn kill_at(mut peer: Peer, command: &str, instruction: usize) -> bool {
    let pid = Pid::from_raw(peer.pid().cast_signed());
    ptrace::attach(pid).expect("children can be traced");
    assert_eq!(until_signal(pid), Signal::SIGSTOP);
    ptrace::cont(pid, None).expect("the peer is traced");
    peer.tell(command);
    assert_eq!(until_signal(pid), Signal::SIGUSR1);
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
