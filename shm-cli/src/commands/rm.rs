//! `shm rm`: removes names.

use std::path::Path;

use clap::Args;
use shm_core::{SegmentInfo, SegmentState, ShmLayout};

use crate::attached::{DIRECTORY, Mappings, Process, in_words};
use crate::failure::{Exit, Failure};
use crate::output::{Context, Document, escaped, style};
use crate::target::Target;
use crate::user::{instead, may_remove};

/// Remove segments by name
///
/// A segment that is in use is kept, unless `--yes` says that it may go: the processes keep their memory, but no other process finds
/// it any more. So is a file that is not a segment.
#[derive(Args, Debug)]
pub(crate) struct Rm {
    /// The names of segments
    #[arg(value_name = "NAME", required = true)]
    targets: Vec<Target>,

    /// Also remove what is in use, and what is not a segment
    #[arg(short, long, visible_short_alias = 'f', visible_alias = "force")]
    yes: bool,
}

impl Rm {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let mut mappings = None;
        for target in &self.targets {
            match self.remove(target, &mut mappings) {
                Ok(name) if context.json => {
                    let document = Document::new("rm").with("name", name).with("removed", true);
                    document.write(&mut context.out)?;
                }
                Ok(name) => {
                    let (good, name) = (style::GOOD, escaped(&name));
                    writeln!(context.out, "{good}removed{good:#} {name}")?;
                }
                Err(failure) => context.report(&failure),
            }
        }
        let printed = context.finish();
        printed.map_err(|failure| failure.after("what could be removed was removed"))?;
        Ok(Exit::Ok)
    }

    /// Removes a name and returns it.
    fn remove(&self, target: &Target, mappings: &mut Option<Mappings>) -> Result<String, Failure> {
        let Target::Name(name) = target else {
            return Err(Failure::usage(format!(
                "{target} is not the name of a segment; remove other files with `rm`"
            )));
        };
        let info = SegmentInfo::of(name)?;
        if !self.yes {
            let users = || {
                let mappings = mappings.get_or_insert_with(Mappings::of_segments);
                mappings.users(&info)
            };
            refuse(&info, users, For::Removal)?;
        }
        // Of any type: names lead to files.
        u8::unlink(name)?;
        Ok(name.clone())
    }
}

/// What a name is removed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    Removal,
    /// For a segment that `restore` makes.
    Restored,
}

/// Why a segment should stay.
pub(super) fn refuse(
    info: &SegmentInfo,
    users: impl FnOnce() -> Vec<Process>,
    what_for: For,
) -> Result<(), Failure> {
    let name = escaped(&info.name);
    if !may_remove(info.owner, Path::new(DIRECTORY)) {
        let path = Path::new(DIRECTORY).join(&info.name[1..]);
        return Err(Failure::refused(format!(
            "{name} belongs to another user, and cannot be removed; {}",
            instead(&path)
        )));
    }
    let all_the_same = match what_for {
        For::Removal => format!("remove the name with `shm rm --yes {name}`"),
        For::Restored => "add `--yes` to replace it".to_owned(),
    };
    let Some(contents) = &info.contents else {
        if info.state == SegmentState::Damaged {
            // Nobody can attach to it.
            return Ok(());
        }
        let reason = info.reason.as_deref().unwrap_or("it cannot be read");
        return Err(Failure::refused(format!(
            "{name} is not a segment that this command knows: {reason}; if nobody needs it, {all_the_same}"
        )));
    };
    if !contents.attached {
        return Ok(());
    }
    let users = users();
    let them = if users.len() > 1 {
        "these processes"
    } else {
        "that process"
    };
    let users = in_words(&users);
    let again = match what_for {
        For::Removal => "",
        For::Restored => " and run `shm restore` again",
    };
    let owner = if contents.owned {
        ", and its owner is alive"
    } else {
        ""
    };
    Err(Failure::refused(format!(
        "{name} is in use by {users}{owner}; end {them}{again}, or {all_the_same} all the same: attached processes keep the memory, \
         and others no longer find it"
    )))
}
