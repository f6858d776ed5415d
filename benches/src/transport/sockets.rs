//! Pipes and Unix sockets: a system call for each message.

use std::cell::OnceCell;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::slice;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::{Message, Result, Rx, Transport, Tx, Way};
use crate::process::unique;

fn bytes<const N: usize>(message: &Message<N>) -> &[u8] {
    // SAFETY: an array of words has no padding, so all of its bytes are initialised.
    unsafe { slice::from_raw_parts(message.as_ptr().cast(), size_of::<Message<N>>()) }
}

fn bytes_mut<const N: usize>(message: &mut Message<N>) -> &mut [u8] {
    // SAFETY: as above, and any bytes are words.
    unsafe { slice::from_raw_parts_mut(message.as_mut_ptr().cast(), size_of::<Message<N>>()) }
}

/// Files to remove at the end.
pub(crate) struct Files(Vec<String>);

impl Drop for Files {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn path(key: &str, way: Way) -> String {
    format!("/dev/shm{key}{}", way.suffix())
}

fn both(key: &str) -> Files {
    Files([Way::There, Way::Back].map(|way| path(key, way)).to_vec())
}

/// Two named pipes.
pub(crate) struct Pipe;

/// An end of a pipe.
pub(crate) struct End(File);

impl<const N: usize> Tx<N> for End {
    fn send(&mut self, message: &Message<N>) -> Result<()> {
        Ok(self.0.write_all(bytes(message))?)
    }
}

impl<const N: usize> Rx<N> for End {
    fn recv(&mut self) -> Result<Message<N>> {
        let mut message = [0; N];
        self.0.read_exact(bytes_mut(&mut message))?;
        Ok(message)
    }
}

impl<const N: usize> Transport<N> for Pipe {
    const NAME: &'static str = "pipe";
    const QUICK: bool = false;

    type Line = (Files, String);
    type Tx<'l> = End;
    type Rx<'l> = End;

    fn host() -> Result<(Self::Line, String)> {
        let key = unique("pipe");
        for way in [Way::There, Way::Back] {
            mkfifo(path(&key, way).as_str(), Mode::S_IRUSR | Mode::S_IWUSR)?;
        }
        Ok(((both(&key), key.clone()), key))
    }

    fn open(key: &str) -> Result<Self::Line> {
        Ok((Files(Vec::new()), key.to_owned()))
    }

    fn tx((_, key): &Self::Line, way: Way) -> Result<End> {
        // Opened for both, it does not wait for the other end.
        let file = File::options()
            .read(true)
            .write(true)
            .open(path(key, way))?;
        Ok(End(file))
    }

    fn rx(line: &Self::Line, way: Way) -> Result<End> {
        <Self as Transport<N>>::tx(line, way)
    }
}

/// A Unix stream socket.
pub(crate) struct Socket;

/// A stream, which the hosting process accepts when it first needs it.
pub(crate) struct Stream {
    listener: Option<UnixListener>,
    stream: OnceCell<UnixStream>,
    _files: Files,
}

impl Stream {
    fn end(&self) -> Result<SocketEnd> {
        if let (None, Some(listener)) = (self.stream.get(), &self.listener) {
            let _ = self.stream.set(listener.accept()?.0);
        }
        let stream = self.stream.get().ok_or("not connected")?;
        Ok(SocketEnd(stream.try_clone()?))
    }
}

/// An end of a socket.
pub(crate) struct SocketEnd(UnixStream);

impl<const N: usize> Tx<N> for SocketEnd {
    fn send(&mut self, message: &Message<N>) -> Result<()> {
        Ok(self.0.write_all(bytes(message))?)
    }
}

impl<const N: usize> Rx<N> for SocketEnd {
    fn recv(&mut self) -> Result<Message<N>> {
        let mut message = [0; N];
        self.0.read_exact(bytes_mut(&mut message))?;
        Ok(message)
    }
}

impl<const N: usize> Transport<N> for Socket {
    const NAME: &'static str = "Unix socket";
    const QUICK: bool = false;

    type Line = Stream;
    type Tx<'l> = SocketEnd;
    type Rx<'l> = SocketEnd;

    fn host() -> Result<(Stream, String)> {
        let key = unique("socket");
        let path = format!("/dev/shm{key}");
        let line = Stream {
            listener: Some(UnixListener::bind(&path)?),
            stream: OnceCell::new(),
            _files: Files(vec![path]),
        };
        Ok((line, key))
    }

    fn open(key: &str) -> Result<Stream> {
        Ok(Stream {
            listener: None,
            stream: OnceCell::from(UnixStream::connect(format!("/dev/shm{key}"))?),
            _files: Files(Vec::new()),
        })
    }

    fn tx(line: &Stream, _: Way) -> Result<SocketEnd> {
        line.end()
    }

    fn rx(line: &Stream, _: Way) -> Result<SocketEnd> {
        line.end()
    }
}
