//! The errors for a segment that does not suit a program, with advice that depends on the segment's state.

use std::fs::File;

use super::header::STATE_PERSISTENT;
use super::levels::Conflict;
use super::{Segment, lifetime};
use crate::error::{Mismatch, Remedy, ShmError, UNNAMED};
use crate::layout::TypeLayout;
use crate::layout::schema;
use crate::lock_byte::OWNER;
use crate::sys::lock;

/// A segment that does not suit a program, for the advice in the error.
pub(super) struct Refused<'a> {
    pub(super) file: &'a File,
    pub(super) is_anonymous: bool,
    pub(super) is_persistent: bool,
}

impl<'a> Refused<'a> {
    /// The segment of a handle. The file may have been cut, so nothing is read through the mapping.
    pub(super) fn by(segment: &'a Segment) -> Self {
        let state = lifetime::read_state(&segment.file).unwrap_or(0);
        Self {
            file: &segment.file,
            is_anonymous: segment.name.is_none(),
            is_persistent: state & STATE_PERSISTENT != 0,
        }
    }

    pub(super) fn mismatch(
        &self,
        layout: &TypeLayout,
        found: Option<String>,
        mismatch: Mismatch,
        difference: String,
    ) -> ShmError {
        let remedy = if self.is_anonymous {
            Remedy::Anonymous
        } else if self.is_persistent {
            Remedy::Persistent
        } else if matches!(lock::holder(self.file, OWNER), Ok(None)) {
            Remedy::Ownerless
        } else {
            Remedy::Owned
        };
        ShmError::mismatch(
            found,
            schema::type_name(layout),
            mismatch,
            difference,
            remedy,
        )
    }

    /// The error for levels that do not go together.
    pub(super) fn conflict(&self, layout: &TypeLayout, conflict: Conflict) -> ShmError {
        let (mismatch, difference) = match conflict {
            Conflict::System(error) => return error.into(),
            Conflict::Corrupt(reason) => {
                return ShmError::Corrupt {
                    name: UNNAMED,
                    reason,
                };
            }
            Conflict::Level { level, difference } => (
                Mismatch::Level { level },
                format!("at level {level}, {difference}"),
            ),
            Conflict::Room { lacking } => {
                let plural = if lacking == 1 { " is" } else { "s are" };
                let text = format!(
                    "{lacking} byte{plural} lacking for its fields up to level {} and their description",
                    layout.level()
                );
                (Mismatch::Room { lacking }, text)
            }
        };
        let same = schema::type_name(layout);
        self.mismatch(layout, Some(same), mismatch, difference)
    }
}
