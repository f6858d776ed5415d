//! `shm restore`: a segment with the contents of a dump.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use clap::Args;
use shm_core::dynamic::DynSegment;
use shm_core::{SegmentInfo, ShmError, ShmLayout};

use super::{check, rm};
use crate::attached::Mappings;
use crate::failure::{Exit, Failure};
use crate::later::{self, Later};
use crate::output::{Context, Document, escaped, number, style};
use crate::target::Target;

/// Where a header has the flags, the flag of a segment whose pages were not reserved, and that of one whose writers wake readers.
const FLAGS_OFFSET: u64 = 88;
const SPARSE: u64 = 1;
const WAKE_READERS: u64 = 1 << 32;

/// Make a segment of a dump
///
/// The segment is persistent: it stays until it is removed, as no process owns it. The dump is checked before. It must come from a machine
/// of the same byte order.
#[derive(Args, Debug)]
pub(crate) struct Restore {
    /// A dump: a file from `shm dump`, or a copy of one in /dev/shm
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,

    /// The name of the new segment
    #[arg(value_name = "NAME")]
    target: Target,

    /// Permission bits of the segment, in octal
    #[arg(long, value_name = "MODE", default_value = "600", value_parser = mode)]
    mode: u32,

    /// Remove a segment that has the name. One that is in use stays without `--yes`
    #[arg(long)]
    replace: bool,

    /// Replace a segment that is in use, and restore values that are none of their types
    #[arg(short, long)]
    yes: bool,
}

fn mode(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    match u32::from_str_radix(digits, 8) {
        Ok(mode @ 0..=0o777) => Ok(mode),
        _ => Err("write up to three octal digits, such as 640".to_owned()),
    }
}

impl Restore {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let Target::Name(name) = &self.target else {
            return Err(Failure::usage(format!(
                "{} is not the name of a segment; write `shm restore FILE NAME`",
                self.target
            )));
        };
        let dump = DynSegment::open(&self.file).map_err(|error| self.not_opened(error))?;
        self.refuse_other_order()?;
        self.refuse_later_formats(&dump)?;
        if !self.yes {
            self.refuse_damage()?;
        }
        self.make_room(name)?;
        let flags = bytes(&self.file, FLAGS_OFFSET).map_or(0, u64::from_ne_bytes);
        let options = DynSegment::options()
            .mode(self.mode)
            .sparse(flags & SPARSE != 0)
            .wake_readers(flags & WAKE_READERS != 0);
        let segment = options.restore(name, &dump).map_err(|error| match error {
            ShmError::AlreadyExists { .. } => Failure::refused(format!(
                "{} exists: another process has just created it; run the command again",
                escaped(name)
            )),
            other => other.into(),
        })?;
        segment.persist()?;
        let len = std::fs::metadata(Path::new("/dev/shm").join(&name[1..])).map(|file| file.len());
        let len = len.unwrap_or(0);
        if context.json {
            let document = Document::new("restore")
                .with("name", name)
                .with("file", self.file.to_string_lossy())
                .with("len", len);
            document.write(&mut context.out)?;
        } else {
            let (good, file) = (style::GOOD, self.file.display().to_string());
            let (name, file, len) = (escaped(name), escaped(&file), number::bytes(len));
            writeln!(
                context.out,
                "{good}restored{good:#} {name} from {file}: {len}, persistent; remove it with `shm rm {name}`"
            )?;
        }
        let printed = context.finish();
        printed.map_err(|failure| failure.after("the segment was restored"))?;
        Ok(Exit::Ok)
    }

    /// Why the file is no dump: it may be the name of a segment.
    fn not_opened(&self, error: ShmError) -> Failure {
        let failure = Failure::from(error);
        let Some(text) = self.file.to_str().filter(|_| failure.is_not_there()) else {
            return failure;
        };
        let name = format!("/{}", text.strip_prefix('/').unwrap_or(text));
        if SegmentInfo::of(&name).is_err() {
            return failure;
        }
        Failure::not_there(format!(
            "{name} is a segment, and not a file; dump it first with `shm dump {name} FILE`, and restore that file"
        ))
    }

    fn refuse_other_order(&self) -> Result<(), Failure> {
        if !Target::Dump(self.file.clone()).is_of_other_order() {
            return Ok(());
        }
        Err(Failure::refused(format!(
            "{} comes from a machine of the other byte order, whose numbers programs here would read wrongly; look at it with \
             `shm show`, or restore it on such a machine",
            self.file.display()
        )))
    }

    fn refuse_later_formats(&self, dump: &DynSegment) -> Result<(), Failure> {
        match later::parts(dump.layout()).first() {
            None => Ok(()),
            Some(Later { path, tag }) => Err(Failure::refused(format!(
                "`{path}` in {} has a type of a later format (tag {tag}), of which this version of `shm` only knows the bytes, and not \
                 what they say of processes that have ended; use the same version as the programs that made it",
                self.file.display()
            ))),
        }
    }

    fn refuse_damage(&self) -> Result<(), Failure> {
        match check::first_error(&Target::Dump(self.file.clone()))? {
            Some(message) => Err(Failure::refused(format!(
                "{} is damaged: {message}; `shm check` lists everything, and `--yes` restores it all the same",
                self.file.display()
            ))),
            None => Ok(()),
        }
    }

    /// Removes what has the name, if it may.
    fn make_room(&self, name: &str) -> Result<(), Failure> {
        let info = match SegmentInfo::of(name) {
            Err(ShmError::NotFound { .. }) => return Ok(()),
            info => info?,
        };
        if !self.replace {
            return Err(Failure::refused(format!(
                "{} exists; choose another name, or replace it with `--replace`",
                escaped(name)
            )));
        }
        if !self.yes {
            rm::refuse(
                &info,
                || Mappings::of_segments().users(&info),
                rm::For::Restored,
            )?;
        }
        match u8::unlink(name) {
            Err(ShmError::NotFound { .. }) => Ok(()),
            removed => Ok(removed?),
        }
    }
}

fn bytes<const N: usize>(path: &Path, at: u64) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    File::open(path).ok()?.read_exact_at(&mut bytes, at).ok()?;
    Some(bytes)
}
