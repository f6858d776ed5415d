//! A segment without a name, handed from one process to another over a Unix socket (`SCM_RIGHTS`).
//!
//! ```text
//! cargo run --example pass_fd
//! ```
//!
//! It starts two programs that know nothing of each other but the socket's address. One makes the segment and gives its
//! descriptor away; the other takes it. Both then add to the same number, under the same lock:
//!
//! ```text
//! giver 4711: an anonymous segment of 4096 bytes, offered at the socket @shm-pass-fd-4710
//! receiver 4712: got it from process 4711
//! receiver 4712: added 100000 times
//! giver 4711: added 100000 times, together 200000
//! ```
//!
//! Such a segment is for peers that are not trusted to leave its size alone: it is sealed, and `from_fd` refuses what is
//! not. Nothing of it is left behind, however the two end.

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
use shm_core::sync::Mutex;
use shm_core::{Shm, ShmLayout};

/// What the two share.
#[derive(ShmLayout)]
#[repr(C)]
struct Tally {
    /// A lock is owned by a process: if that dies, the other is told so and can go on.
    count: Mutex<u64>,
}

const ADDITIONS: u32 = 100_000;

/// How long one waits for the other to come.
const PATIENCE: Duration = Duration::from_secs(10);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What makes a process one of the two. Not for people.
const GIVER: &str = "--giver";
const RECEIVER: &str = "--receiver";

pub(crate) fn main() -> ExitCode {
    let mut args = std::env::args().skip_while(|arg| arg != GIVER && arg != RECEIVER);
    let outcome = match (args.next().as_deref(), args.next()) {
        (Some(GIVER), Some(address)) => give(&address),
        (Some(RECEIVER), Some(address)) => receive(&address),
        _ => start_both(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody reads on: `pass_fd | head -1`.
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
    let mut giver = Program::start(GIVER, &address)?;
    let mut offers = giver.lines()?;
    // Its first line says that it can be reached.
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
    giver.end("giver")
}

/// A program that was started. Dropping it ends it: nobody else will talk to it.
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

fn give(address: &str) -> Result<()> {
    let shm = Tally::create_anonymous()?;
    // An address without a file: it is gone with the last process that uses it.
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(address)?)?;
    writeln!(
        io::stdout(),
        "giver {}: an anonymous segment of {} bytes, offered at the socket @{address}",
        id(),
        shm.mapped_len()
    )?;
    let mut arrivals = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    if poll(&mut arrivals, PollTimeout::try_from(PATIENCE)?)? == 0 {
        return Err("nobody came for the segment".into());
    }
    let (mut socket, _) = listener.accept()?;
    peer_of_this_user(&socket)?;

    let segment = [shm.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&segment)) {
        return Err("there is no room for the descriptor".into());
    }
    // A message needs a byte to travel with.
    sendmsg(
        &socket,
        &[IoSlice::new(b"s")],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;

    add(&shm)?;
    // The other side's end, however it comes, closes the socket.
    socket.read_to_end(&mut Vec::new())?;
    let count = shm.count.lock().map_err(|error| error.to_string())?.get();
    writeln!(
        io::stdout(),
        "giver {}: added {ADDITIONS} times, together {count}",
        id()
    )?;
    Ok(())
}

fn receive(address: &str) -> Result<()> {
    let socket = UnixStream::connect_addr(&SocketAddr::from_abstract_name(address)?)?;
    let giver = peer_of_this_user(&socket)?;
    // Here the segment's type and size are checked, and its seals.
    let shm = Tally::from_fd(descriptor(&socket)?)?;
    writeln!(
        io::stdout(),
        "receiver {}: got it from process {giver}",
        id()
    )?;
    add(&shm)?;
    writeln!(io::stdout(), "receiver {}: added {ADDITIONS} times", id())?;
    Ok(())
}

/// The descriptor that the other side sends.
fn descriptor(socket: &UnixStream) -> Result<OwnedFd> {
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    // Also while another thread is starting a program, the descriptor must not get into it.
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
    sent.ok_or_else(|| "the other side sent no descriptor".into())
}

/// The process on the other side, which is one of this user. Who knows an address without a file may connect to it.
fn peer_of_this_user(socket: &UnixStream) -> Result<u32> {
    let peer = sockopt::socket_peercred(socket)?;
    if peer.uid.as_raw() != nix::unistd::geteuid().as_raw() {
        return Err(format!("the other side is user {}", peer.uid.as_raw()).into());
    }
    Ok(peer.pid.as_raw_nonzero().get().unsigned_abs())
}

fn add(shm: &Shm<Tally>) -> Result<()> {
    for _ in 0..ADDITIONS {
        let count = shm.count.lock().map_err(|error| error.to_string())?;
        count.set(count.get() + 1);
    }
    Ok(())
}
