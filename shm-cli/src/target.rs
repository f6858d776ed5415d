//! Which segment a command is about.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser, ValueParser, ValueParserFactory};
use shm_core::ShmError;
use shm_core::dynamic::{DynSchema, DynSegment};

use crate::failure::Failure;

/// A segment as the command line gives it: the name of a segment, a dump, or a descriptor of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/telemetry`, `telemetry` or `/dev/shm/telemetry`: the name with its slash.
    Name(String),
    /// `./copy.shm`: the path of a dump.
    Dump(PathBuf),
    /// `/proc/4711/fd/5`: an anonymous segment.
    Descriptor(PathBuf),
}

impl Target {
    fn parse(text: &str) -> Self {
        let name = text.strip_prefix("/dev/shm/").unwrap_or(text);
        let name = name.strip_prefix('/').unwrap_or(name);
        if !name.contains('/') && name != "." && name != ".." {
            Self::Name(format!("/{name}"))
        } else if text.starts_with("/proc/") && text.contains("/fd/") {
            Self::Descriptor(PathBuf::from(text))
        } else {
            Self::Dump(PathBuf::from(text))
        }
    }
}

/// The path of a dump may be any bytes.
impl ValueParserFactory for Target {
    type Parser = ValueParser;

    fn value_parser() -> Self::Parser {
        OsStringValueParser::new()
            .try_map(|text| match text.to_str() {
                Some(text) => Ok(Self::parse(text)),
                None if text.as_bytes().contains(&b'/') => Ok(Self::Dump(PathBuf::from(text))),
                None => Err("the name of a segment is UTF-8; write the path of a dump with a `/`, as in `./copy`"),
            })
            .into()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            // Without a slash, it would be read as the name of a segment.
            Self::Dump(path) if path.components().count() == 1 && path.is_relative() => {
                write!(f, "./{}", path.display())
            }
            Self::Dump(path) | Self::Descriptor(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Target {
    /// The path of its file.
    pub(crate) fn file(&self) -> PathBuf {
        match self {
            Self::Name(name) => Path::new("/dev/shm").join(name.strip_prefix('/').unwrap_or(name)),
            Self::Dump(path) | Self::Descriptor(path) => path.clone(),
        }
    }

    /// Whether it is a file from a machine of the other byte order.
    pub(crate) fn is_of_other_order(&self) -> bool {
        const BYTE_ORDER: u64 = 12;
        let own = if cfg!(target_endian = "little") { 1 } else { 2 };
        let mut order = [0];
        let file = File::open(self.file());
        let read = file.and_then(|file| file.read_exact_at(&mut order, BYTE_ORDER));
        read.is_ok() && order[0] != own
    }

    /// Reads the type, without attaching. A file may also be an exported schema.
    pub(crate) fn schema(&self) -> Result<DynSchema, Failure> {
        Ok(match self {
            Self::Name(name) => DynSchema::of_segment(name)?,
            Self::Dump(path) => match DynSchema::of_file(path) {
                Err(ShmError::NotASegment { .. }) if path.is_file() => exported(path)?,
                found => found?,
            },
            Self::Descriptor(path) => DynSchema::of_fd(open(path, false)?)?,
        })
    }

    /// Attaches for reading, also to a segment of another user: commands that look trust nothing in it, and change nothing.
    pub(crate) fn read_only(&self) -> Result<DynSegment, Failure> {
        Ok(self.try_read_only()?)
    }

    /// [`read_only`](Self::read_only) with the error as it is.
    pub(crate) fn try_read_only(&self) -> Result<DynSegment, Refused> {
        Ok(match self {
            Self::Name(name) => DynSegment::options().any_owner().attach_read_only(name)?,
            Self::Dump(path) => DynSegment::open(path)?,
            Self::Descriptor(path) => DynSegment::from_fd_read_only(open(path, false)?)?,
        })
    }

    /// Attaches for reading and writing, to a segment of this user.
    pub(crate) fn writable(&self) -> Result<DynSegment, Failure> {
        Ok(match self {
            Self::Name(name) => DynSegment::attach(name)?,
            Self::Dump(path) => {
                return Err(Failure::refused(format!(
                    "{} is a dump, which is read-only; restore it as a segment with `shm restore`, and set that",
                    path.display()
                )));
            }
            Self::Descriptor(path) => DynSegment::from_fd(open(path, true)?)?,
        })
    }
}

/// Reads a file that `shm export --lang schema` has written.
fn exported(path: &Path) -> Result<DynSchema, Failure> {
    /// More than any schema with its levels may have.
    const LONGEST: u64 = 64 << 20;

    let mut bytes = Vec::new();
    open(path, false)?
        .take(LONGEST)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::file(&format!("read {}", path.display()), &error))?;
    DynSchema::from_bytes(&bytes).map_err(|error| {
        Failure::refused(format!(
            "{} is neither a dump of a segment nor an exported schema ({error}); write one with `shm dump`, or with \
             `shm export --lang schema`",
            path.display()
        ))
    })
}

/// Why a segment cannot be attached to.
#[derive(Debug)]
pub(crate) enum Refused {
    Segment(ShmError),
    /// The file could not be opened.
    File(Failure),
}

impl From<ShmError> for Refused {
    fn from(error: ShmError) -> Self {
        Self::Segment(error)
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::File(failure)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Segment(error) => error.into(),
            Refused::File(failure) => failure,
        }
    }
}

fn open(path: &Path, writable: bool) -> Result<File, Failure> {
    File::options()
        .read(true)
        .write(writable)
        .open(path)
        .map_err(|error| Failure::file(&format!("open {}", path.display()), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_name_and_a_path_is_a_dump() {
        let parsed = |text: &str| Target::parse(text);
        for name in ["telemetry", "/telemetry", "/dev/shm/telemetry"] {
            assert_eq!(
                parsed(name),
                Target::Name("/telemetry".to_owned()),
                "{name}"
            );
        }
        for path in ["./telemetry", "/tmp/telemetry", "a/b", "../x", "."] {
            assert_eq!(parsed(path), Target::Dump(path.into()), "{path}");
        }
        let descriptor = "/proc/4711/fd/5";
        assert_eq!(parsed(descriptor), Target::Descriptor(descriptor.into()));
    }
}
