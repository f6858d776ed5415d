//! `shm rm`: removes names.

use clap::Args;
use shm_core::{SegmentInfo, SegmentState, ShmLayout};

use crate::attached::{Mappings, Process};
use crate::failure::{Exit, Failure};
use crate::output::{Context, Document, escaped, style};
use crate::target::Target;

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
            refuse(&info, users)?;
        }
        // Of any type: names lead to files.
        u8::unlink(name)?;
        Ok(name.clone())
    }
}

/// Why a segment should stay.
pub(super) fn refuse(
    info: &SegmentInfo,
    users: impl FnOnce() -> Vec<Process>,
) -> Result<(), Failure> {
    let name = escaped(&info.name);
    let Some(contents) = &info.contents else {
        if info.state == SegmentState::Damaged {
            // Nobody can attach to it.
            return Ok(());
        }
        let reason = info.reason.as_deref().unwrap_or("it cannot be read");
        return Err(Failure::refused(format!(
            "{name} is not a segment that this command knows: {reason}; remove it with `shm rm --yes {name}` if nobody needs it"
        )));
    };
    if !contents.attached {
        return Ok(());
    }
    let users: Vec<String> = users().iter().map(Process::to_string).collect();
    let users = match &users[..] {
        [] => "a process that does not show itself".to_owned(),
        [one] => format!("process {one}"),
        several => format!("processes {}", several.join(", ")),
    };
    let owner = if contents.owned {
        ", and its owner is alive"
    } else {
        ""
    };
    Err(Failure::refused(format!(
        "{name} is in use by {users}{owner}; end them first, or remove the name with `shm rm --yes {name}`: they keep the memory, and \
         others no longer find it"
    )))
}
