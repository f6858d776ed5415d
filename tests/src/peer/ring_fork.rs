//! A process that forks in the middle of a message.

use std::fs::File;
use std::io::{PipeWriter, Read, pipe};
use std::os::fd::OwnedFd;

use nix::unistd::{ForkResult, Pid, fork};
use shm_core::Shm;

use super::process::reap;
use super::{Answer, Failure, other};
use crate::segments::{Message, RingSegment};

/// Which side of a fork.
enum Side {
    Parent(Pid),
    Child,
}

/// Forks. The child continues when its parent has dropped `open`, the other end of `gate`.
fn fork_behind(gate: &mut File, open: &mut Option<PipeWriter>) -> Result<Side, Failure> {
    // SAFETY: this process has one thread, so the child's memory is consistent.
    match unsafe { fork() }.map_err(other)? {
        ForkResult::Parent { child } => Ok(Side::Parent(child)),
        ForkResult::Child => {
            // Its copy would keep the child waiting.
            drop(open.take());
            gate.read(&mut [0]).map_err(other)?;
            Ok(Side::Child)
        }
    }
}

/// Exits a child without dropping what belongs to its parent.
fn end(right: bool) -> ! {
    // SAFETY: ends this process, which has nothing left to do.
    unsafe { libc::_exit(i32::from(!right)) }
}

/// `fork-inside`: forks inside `send_with`, and inside `recv_with`. The child's copy of the call ends after the parent has
/// continued, and must change nothing. Returns how many messages the ring has seen at each end.
pub(super) fn inside(shm: &Shm<RingSegment>) -> Answer {
    let (mut sender, mut receiver) = (shm.ring.sender()?, shm.ring.receiver()?);
    let own = std::process::id();
    let (gate, open) = pipe().map_err(other)?;
    let (mut gate, mut open) = (File::from(OwnedFd::from(gate)), Some(open));
    let sent = sender.send_with(|cell| {
        cell.store(Message::numbered(0));
        fork_behind(&mut gate, &mut open)
    });
    if std::process::id() != own {
        // The child: the message is its parent's to send.
        end(sent.is_err());
    }
    let Side::Parent(child) = sent.map_err(other)?? else {
        return Err(other("this is not the child"));
    };
    sender.send(Message::numbered(1)).map_err(other)?;
    sender.send(Message::numbered(2)).map_err(other)?;
    drop(open);
    reap(child)?;
    let sent = shm.ring.sent();

    let (gate, open) = pipe().map_err(other)?;
    let (mut gate, mut open) = (File::from(OwnedFd::from(gate)), Some(open));
    let received = receiver.recv_with(|_, _| fork_behind(&mut gate, &mut open));
    if std::process::id() != own {
        end(received.is_err());
    }
    let Side::Parent(child) = received.map_err(other)?? else {
        return Err(other("this is not the child"));
    };
    receiver.recv().map_err(other)?;
    drop(open);
    reap(child)?;
    Ok(format!("{sent} {}", shm.ring.received()))
}

/// `fork-in-chunk`: the same with a fork between writing or reading a chunk and committing it.
pub(super) fn in_chunk(shm: &Shm<RingSegment>) -> Answer {
    let (mut sender, mut receiver) = (shm.ring.sender()?, shm.ring.receiver()?);
    let own = std::process::id();
    let (gate, open) = pipe().map_err(other)?;
    let (mut gate, mut open) = (File::from(OwnedFd::from(gate)), Some(open));
    let chunk = sender.write_chunk(1).map_err(other)?;
    chunk
        .iter()
        .for_each(|cell| cell.store(Message::numbered(0)));
    let side = fork_behind(&mut gate, &mut open);
    let sent = chunk.commit_all();
    if std::process::id() != own {
        end(sent.is_err());
    }
    let Side::Parent(child) = side? else {
        return Err(other("this is not the child"));
    };
    sent.map_err(other)?;
    sender.send(Message::numbered(1)).map_err(other)?;
    sender.send(Message::numbered(2)).map_err(other)?;
    drop(open);
    reap(child)?;
    let sent = shm.ring.sent();

    let (gate, open) = pipe().map_err(other)?;
    let (mut gate, mut open) = (File::from(OwnedFd::from(gate)), Some(open));
    let chunk = receiver.read_chunk(1).map_err(other)?;
    let side = fork_behind(&mut gate, &mut open);
    let received = chunk.commit_all();
    if std::process::id() != own {
        end(received.is_err());
    }
    let Side::Parent(child) = side? else {
        return Err(other("this is not the child"));
    };
    received.map_err(other)?;
    receiver.recv().map_err(other)?;
    drop(open);
    reap(child)?;
    Ok(format!("{sent} {}", shm.ring.received()))
}
