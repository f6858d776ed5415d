//! Rounds of a change without the type.

use shm_core::dynamic::{DynSegment, DynValue};

use super::{nothing, tried};
use crate::driver::DEADLINE;
use crate::peer::{Answer, other};

/// Sets a part, as `shm set` does.
pub(in crate::peer) fn set(segment: &DynSegment, path: &str, value: &str) -> Answer {
    let value: DynValue = value.parse().map_err(other)?;
    let cell = segment.at(path).map_err(other)?;
    tried(|| {
        cell.set_timeout(&value, DEADLINE).map_err(other)?;
        nothing()
    })
}
