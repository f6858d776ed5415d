//! Passes descriptors between unrelated processes over Unix sockets.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use super::{Answer, Failure, Program, Words, other};

impl Program {
    /// `offer ADDRESS SLOT as-it-is|no-seals|shrink|grow`: sends the next connecting process the descriptor of an anonymous
    /// segment, or of a copy with the same bytes and fewer seals. It prints "offering" when it listens.
    pub(super) fn offer(&mut self, words: &mut Words<'_>) -> Answer {
        let address = words.next()?;
        let sent = self.at(words)?.duplicate()?;
        let sent = match words.next()? {
            "as-it-is" => sent,
            "no-seals" => copy(sent, SealFlag::empty())?,
            "shrink" => copy(sent, SealFlag::F_SEAL_SHRINK)?,
            "grow" => copy(sent, SealFlag::F_SEAL_GROW)?,
            seals => return Err(other(format!("there are no seals `{seals}`"))),
        };
        let address = SocketAddr::from_abstract_name(address).map_err(other)?;
        let listener = UnixListener::bind_addr(&address).map_err(other)?;
        println!("offering");
        let (socket, _) = listener.accept().map_err(other)?;
        let sent = [sent.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&sent)) {
            return Err(other("there is no room for the descriptor"));
        }
        let byte = [IoSlice::new(b"s")];
        sendmsg(&socket, &byte, &mut control, SendFlags::NOSIGNAL).map_err(other)?;
        Ok(String::new())
    }
}

/// An unnamed file with the same bytes and these seals.
fn copy(segment: OwnedFd, seals: SealFlag) -> Result<OwnedFd, Failure> {
    let segment = File::from(segment);
    let mut bytes = vec![0; segment.metadata().map_err(other)?.len() as usize];
    segment.read_exact_at(&mut bytes, 0).map_err(other)?;
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let copy = File::from(memfd_create("copy", flags).map_err(other)?);
    copy.write_all_at(&bytes, 0).map_err(other)?;
    fcntl(&copy, FcntlArg::F_ADD_SEALS(seals)).map_err(other)?;
    Ok(copy.into())
}

/// The descriptor offered at an address.
pub(super) fn take(address: &str) -> Result<OwnedFd, Failure> {
    let address = SocketAddr::from_abstract_name(address).map_err(other)?;
    let socket = UnixStream::connect_addr(&address).map_err(other)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let bytes = &mut [IoSliceMut::new(&mut byte)];
    // Without the close-on-exec flag, as a careless program would do it.
    recvmsg(&socket, bytes, &mut control, RecvFlags::empty()).map_err(other)?;
    let taken = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    taken.ok_or_else(|| other("nothing was sent"))
}
