//! Commands that change a segment whose type the program does not have.

use shm_core::dynamic::DynSegment;

use super::rounds::dynamic::set;
use super::{Answer, Program, Words, other};

impl Program {
    /// `dynamic attach NAME`, `dynamic set PATH VALUE` without spaces in the value.
    pub(super) fn obey_dynamic(&mut self, words: &mut Words<'_>) -> Answer {
        match words.next()? {
            "attach" => {
                self.dynamic = Some(DynSegment::attach(words.next()?)?);
                Ok(String::new())
            }
            "set" => {
                let segment = self.dynamic.as_ref();
                let segment = segment.ok_or_else(|| other("nothing is attached"))?;
                set(segment, words.next()?, words.next()?)
            }
            word => Err(other(format!("there is no command `dynamic {word}`"))),
        }
    }
}
