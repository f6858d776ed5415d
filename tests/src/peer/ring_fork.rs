//! A process that forks in the middle of a message.

use std::fmt::Display;
use std::fs::File;
use std::io::{PipeWriter, Read, pipe};
use std::os::fd::OwnedFd;

use nix::unistd::{ForkResult, Pid, fork};
use shm_core::Shm;
use shm_core::sync::{Receiver, Sender};

use super::process::reap;
use super::{Answer, Failure, other};
use crate::segments::{Message, RingSegment};

/// Which side of a fork.
enum Side {
    Parent(Pid),
    Child,
}

/// Holds a child back until its parent has continued.
struct Gate {
    gate: File,
    open: Option<PipeWriter>,
}

impl Gate {
    fn new() -> Result<Self, Failure> {
        let (gate, open) = pipe().map_err(other)?;
        Ok(Self {
            gate: File::from(OwnedFd::from(gate)),
            open: Some(open),
        })
    }

    /// Forks. The child continues when its parent has dropped the gate.
    fn fork(&mut self) -> Result<Side, Failure> {
        // SAFETY: this process has one thread, so the child's memory is consistent.
        match unsafe { fork() }.map_err(other)? {
            ForkResult::Parent { child } => Ok(Side::Parent(child)),
            ForkResult::Child => {
                // Its copy would keep the child waiting.
                drop(self.open.take());
                self.gate.read(&mut [0]).map_err(other)?;
                Ok(Side::Child)
            }
        }
    }
}

/// Exits a child without dropping what belongs to its parent.
fn end(right: bool) -> ! {
    // SAFETY: ends this process, which has nothing left to do.
    unsafe { libc::_exit(i32::from(!right)) }
}

/// What a call returned in which the process has forked.
type Forked<E> = Result<Result<Side, Failure>, E>;

/// Forks inside a call of the sender, and inside one of the receiver. The child's copy of the call ends after the parent has
/// continued, and must return an error and change nothing. Returns how many messages the ring has seen at each end.
fn fork_at_both_ends<S: Display, R: Display>(
    shm: &Shm<RingSegment>,
    send: impl FnOnce(&mut Sender<'_, Message, 5>, &mut Gate) -> Forked<S>,
    receive: impl FnOnce(&mut Receiver<'_, Message, 5>, &mut Gate) -> Forked<R>,
) -> Answer {
    let (mut sender, mut receiver) = (shm.ring.sender()?, shm.ring.receiver()?);
    let own = std::process::id();
    // The child: the message is its parent's.
    let child = |forked: Forked<Failure>| {
        if std::process::id() != own {
            end(forked.is_err());
        }
        match forked?? {
            Side::Parent(child) => Ok(child),
            Side::Child => Err(other("this is not the child")),
        }
    };
    let mut gate = Gate::new()?;
    let pid = child(send(&mut sender, &mut gate).map_err(other))?;
    sender.send(Message::numbered(1)).map_err(other)?;
    sender.send(Message::numbered(2)).map_err(other)?;
    drop(gate);
    reap(pid)?;
    let sent = shm.ring.sent();

    let mut gate = Gate::new()?;
    let pid = child(receive(&mut receiver, &mut gate).map_err(other))?;
    receiver.recv().map_err(other)?;
    drop(gate);
    reap(pid)?;
    Ok(format!("{sent} {}", shm.ring.received()))
}

/// `fork-inside`: forks inside `send_with`, and inside `recv_with`.
pub(super) fn inside(shm: &Shm<RingSegment>) -> Answer {
    fork_at_both_ends(
        shm,
        |sender, gate| {
            sender.send_with(|cell| {
                cell.store(Message::numbered(0));
                gate.fork()
            })
        },
        |receiver, gate| receiver.recv_with(|_, _| gate.fork()),
    )
}

/// `fork-in-chunk`: the same with a fork between writing or reading a chunk and committing it.
pub(super) fn in_chunk(shm: &Shm<RingSegment>) -> Answer {
    fork_at_both_ends(
        shm,
        |sender, gate| {
            let chunk = sender.write_chunk(1)?;
            chunk
                .iter()
                .for_each(|cell| cell.store(Message::numbered(0)));
            let side = gate.fork();
            chunk.commit_all().map(|()| side)
        },
        |receiver, gate| {
            let chunk = receiver.read_chunk(1)?;
            let side = gate.fork();
            chunk.commit_all().map(|()| side)
        },
    )
}
