//! `shm dump`: a copy of a segment in a file.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, IsTerminal, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use clap::Args;
use shm_core::ShmError;
use shm_core::dynamic::{DynError, DynSegment};

use crate::failure::{Exit, Failure};
use crate::output::{Context, Document, escaped, number, style};
use crate::sigbus;
use crate::target::Target;

/// Copy a segment to a file, which the other commands read and `restore` makes a segment of
///
/// The copy is the segment as if all processes had left it at this moment: a `SeqLock` has its committed value, a queue its messages,
/// no lock or end is held by a living process, and nobody waits. Numbers that a process writes meanwhile may be old or new. The segment is
/// not changed, and read permission suffices. Parts that are zero take no room in the file.
#[derive(Args, Debug)]
pub(crate) struct Dump {
    /// A segment's name, the path of a dump, or `/proc/PID/fd/N`
    #[arg(value_name = "NAME")]
    target: Target,

    /// The new file, which only its user may read; `-` for standard output
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,

    /// Replace a file that exists
    #[arg(short, long)]
    force: bool,
}

impl Dump {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        if self.file.as_os_str() == "-" {
            return self.to_stdout();
        }
        let segment = self.target.read_only()?;
        let path = &self.file;
        let len = match fs::metadata(path) {
            // A device or a FIFO is not replaced.
            Ok(found) if is_stream(&found) => {
                let mut file = File::options()
                    .write(true)
                    .open(path)
                    .map_err(|error| self.failed(error))?;
                self.write(&segment, &mut file)?;
                None
            }
            Ok(_) if !self.force => {
                return Err(Failure::refused(format!(
                    "{} exists; choose another file, or replace it with `--force`",
                    path.display()
                )));
            }
            _ => Some(self.to_file(&segment, path)?),
        };
        if context.json {
            let document = Document::new("dump")
                .with("name", segment.name())
                .with("file", path.to_string_lossy())
                .with("len", len.map(|(len, _)| len))
                .with("allocated", len.map(|(_, allocated)| allocated));
            document.write(&mut context.out)?;
        } else if let Some((len, allocated)) = len {
            let (good, name) = (style::GOOD, escaped(segment.name()));
            let path = Target::Dump(path.clone()).to_string();
            let (len, allocated) = (number::bytes(len), number::bytes(allocated));
            writeln!(
                context.out,
                "{good}dumped{good:#} {name} to {}: {len}, of which {allocated} take room",
                escaped(&path)
            )?;
        }
        Ok(Exit::Ok)
    }

    fn to_stdout(&self) -> Result<Exit, Failure> {
        // Not through the context, which drops what looks like a style.
        let stdout = io::stdout();
        if stdout.is_terminal() {
            return Err(Failure::usage(
                "a dump is not for a terminal; write it to a file, or to another program through a pipe",
            ));
        }
        let segment = self.target.read_only()?;
        match self.write(&segment, &mut stdout.lock()) {
            Err(Written::Closed(error)) => Err(error.into()),
            written => written.map(|()| Exit::Ok).map_err(Failure::from),
        }
    }

    /// Writes to a file next to the path, which takes its name at the end. Returns its length, and how much of that takes room.
    fn to_file(&self, segment: &DynSegment, path: &Path) -> Result<(u64, u64), Failure> {
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{}.tmp", std::process::id()));
        let unfinished = Unfinished(path.with_file_name(name));
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished.0)
            .map_err(|error| self.failed(error))?;
        let mut sparse = Sparse { file, at: 0 };
        self.written(segment.dump_sparse(&mut sparse))?;
        let finished = || {
            sparse.file.set_len(sparse.at)?;
            // The umask may have taken rights away.
            sparse.file.set_permissions(Permissions::from_mode(0o600))?;
            sparse.file.sync_all()?;
            let found = sparse.file.metadata()?;
            if self.force {
                fs::rename(&unfinished.0, path)?;
            } else {
                // Fails if another process was faster.
                fs::hard_link(&unfinished.0, path)?;
            }
            Ok((found.len(), found.blocks() * 512))
        };
        finished().map_err(|error| self.failed(error))
    }

    fn write(&self, segment: &DynSegment, to: &mut dyn Write) -> Result<(), Written> {
        self.written(segment.dump(to))
    }

    fn written(&self, dumped: io::Result<()>) -> Result<(), Written> {
        dumped.map_err(|error| self.not_written(error))?;
        match sigbus::take() {
            Some(lost) => Err(Written::Failed(Failure::refused(format!(
                "no dump was made: {lost}"
            )))),
            None => Ok(()),
        }
    }

    fn not_written(&self, error: io::Error) -> Written {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Written::Closed(error);
        }
        let error = match error.downcast::<DynError>() {
            Ok(inner) => return Written::Failed(inner.into()),
            Err(error) => error,
        };
        let error = match error.downcast::<ShmError>() {
            Ok(inner) => return Written::Failed(inner.into()),
            Err(error) => error,
        };
        Written::Failed(if error.kind() == io::ErrorKind::Unsupported {
            Failure::refused(format!(
                "{} cannot be dumped: {error}; it is a dump already, so copy the file",
                self.target
            ))
        } else {
            self.failed(error)
        })
    }

    fn failed(&self, error: io::Error) -> Failure {
        Failure::file(&format!("write {}", self.file.display()), &error)
    }
}

/// Why writing ended.
enum Written {
    /// The reader has gone.
    Closed(io::Error),
    Failed(Failure),
}

impl From<Written> for Failure {
    fn from(written: Written) -> Self {
        match written {
            Written::Closed(error) => error.into(),
            Written::Failed(failure) => failure,
        }
    }
}

fn is_stream(file: &fs::Metadata) -> bool {
    let kind = file.file_type();
    kind.is_char_device() || kind.is_fifo() || kind.is_socket()
}

/// A file that is removed unless it was renamed.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Writes to a new file, and leaves out the pages that are zero, also those that have memory in the segment.
struct Sparse {
    file: File,
    at: u64,
}

const PAGE: u64 = 4096;

impl Seek for Sparse {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(_) => None,
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = PAGE - self.at % PAGE;
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let bytes = &bytes[..len];
        if bytes.iter().any(|byte| *byte != 0) {
            self.file.seek(SeekFrom::Start(self.at))?;
            self.file.write_all(bytes)?;
        }
        self.at += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
