//! Passes an anonymous segment from one process to another over a Unix socket (`SCM_RIGHTS`).
//!
//! ```text
//! cargo run --example pass_fd
//! ```
//!
//! Starts two processes that share only the address of a socket. The sender creates a segment and sends its descriptor;
//! the receiver attaches to it. Both then increment the same counter under the same lock:
//!
//! ```text
//! sender 4711: offers an anonymous segment of 4096 bytes at the socket @shm-pass-fd-4710
//! receiver 4712: received it from process 4711
//! receiver 4712: added 100000 times
//! sender 4711: added 100000 times, total 200000
//! ```
//!
//! Anonymous segments suit peers that must not be able to resize the file: they are sealed, and `from_fd` rejects
//! descriptors that are not. Nothing is left behind, however the processes end.

use std::error::Error;
use std::io::{self, BufRead, BufReader, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::process::{Child, Command, ExitCode, Stdio, id};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg, sockopt,
};
use shm_core::sync::{Mutex, MutexGuard};
use shm_core::{Shm, ShmLayout};

/// What the two processes share.
#[derive(ShmLayout)]
#[repr(C)]
struct Tally {
    /// If a process dies with the lock, the other one recovers it and goes on.
    count: Mutex<u64>,
}

const ADDITIONS: u32 = 100_000;

/// How long each process waits for the other.
const TIMEOUT: Duration = Duration::from_secs(10);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The internal arguments that make a process one of the two.
const SENDER: &str = "--sender";
const RECEIVER: &str = "--receiver";

pub(crate) fn main() -> ExitCode {
    let mut args = std::env::args().skip_while(|arg| arg != SENDER && arg != RECEIVER);
    let outcome = match (args.next().as_deref(), args.next()) {
        (Some(SENDER), Some(address)) => send(&address),
        (Some(RECEIVER), Some(address)) => receive(&address),
        _ => start_both(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // For example `pass_fd | head -1`.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn start_both() -> Result<()> {
    let address = format!("shm-pass-fd-{}", id());
    let mut sender = Program::start(SENDER, &address)?;
    let mut offers = sender.lines()?;
    // Its first line says that it is listening.
    if let Some(line) = offers.next() {
        writeln!(io::stdout(), "{}", line?)?;
        let mut receiver = Program::start(RECEIVER, &address)?;
        for line in receiver.lines()? {
            writeln!(io::stdout(), "{}", line?)?;
        }
        receiver.end("receiver")?;
    }
    for line in offers {
        writeln!(io::stdout(), "{}", line?)?;
    }
    sender.end("sender")
}

/// A child process. Dropping it kills the process.
struct Program(Child);

impl Program {
    fn start(role: &str, address: &str) -> io::Result<Self> {
        Command::new(std::env::current_exe()?)
            .args(std::env::args_os().skip(1))
            .args([role, address])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map(Self)
    }

    fn lines(&mut self) -> io::Result<io::Lines<impl BufRead + use<>>> {
        let output = self.0.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(BufReader::new(output).lines())
    }

    fn end(mut self, role: &str) -> Result<()> {
        let status = self.0.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("the {role} ended with {status}").into())
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn send(address: &str) -> Result<()> {
    let shm = Tally::create_anonymous()?;
    // An abstract address needs no file and disappears with the listener.
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(address)?)?;
    writeln!(
        io::stdout(),
        "sender {}: offers an anonymous segment of {} bytes at the socket @{address}",
        id(),
        shm.mapped_len()
    )?;
    let mut arrivals = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    if poll(&mut arrivals, PollTimeout::try_from(TIMEOUT)?)? == 0 {
        return Err("no process connected to receive the segment".into());
    }
    let (mut socket, _) = listener.accept()?;
    peer_pid(&socket)?;

    let segment = [shm.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&segment)) {
        return Err("the control message has no room for the descriptor".into());
    }
    // A descriptor must accompany at least one byte.
    sendmsg(
        &socket,
        &[IoSlice::new(b"s")],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;

    add(&shm)?;
    // Returns when the receiver ends, in whatever way.
    socket.read_to_end(&mut Vec::new())?;
    let count = lock(&shm)?.get();
    writeln!(
        io::stdout(),
        "sender {}: added {ADDITIONS} times, total {count}",
        id()
    )?;
    Ok(())
}

fn receive(address: &str) -> Result<()> {
    let socket = UnixStream::connect_addr(&SocketAddr::from_abstract_name(address)?)?;
    let sender = peer_pid(&socket)?;
    // Checks the segment's type, size and seals.
    let shm = Tally::from_fd(descriptor(&socket)?)?;
    writeln!(
        io::stdout(),
        "receiver {}: received it from process {sender}",
        id()
    )?;
    add(&shm)?;
    writeln!(io::stdout(), "receiver {}: added {ADDITIONS} times", id())?;
    Ok(())
}

/// Receives the descriptor that the other process sends.
fn descriptor(socket: &UnixStream) -> Result<OwnedFd> {
    socket.set_read_timeout(Some(TIMEOUT))?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    // Set atomically, so that a program started meanwhile does not inherit the descriptor.
    let flags = RecvFlags::CMSG_CLOEXEC;
    recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        flags,
    )?;
    let sent = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    sent.ok_or_else(|| "the other process sent no descriptor".into())
}

/// Returns the process id of the peer.
///
/// # Errors
///
/// If the peer runs as another user: any process that knows an abstract address can connect.
fn peer_pid(socket: &UnixStream) -> Result<u32> {
    let peer = sockopt::socket_peercred(socket)?;
    if peer.uid.as_raw() != nix::unistd::geteuid().as_raw() {
        return Err(format!("the other process runs as user {}", peer.uid.as_raw()).into());
    }
    Ok(peer.pid.as_raw_nonzero().get().unsigned_abs())
}

fn lock(shm: &Shm<Tally>) -> Result<MutexGuard<'_, u64>> {
    // A single number is written whole, so after a death there is nothing to repair.
    Ok(shm.count.lock_recover(|_| {})?)
}

fn add(shm: &Shm<Tally>) -> Result<()> {
    for _ in 0..ADDITIONS {
        let count = lock(shm)?;
        count.set(count.get() + 1);
    }
    Ok(())
}
