//! A claim word in words, for `Debug`.

use std::fmt;

use super::process::id_at;
use crate::protocol::claim_word::{ID, POISON, WAITERS};

/// Shows who holds a role. It probes nothing, so a dead owner is shown as a living one.
pub(crate) struct ShownClaim {
    word: u32,
    /// This process's id in the segment, or 0.
    me: u32,
}

impl ShownClaim {
    /// `word` was loaded from `address`.
    pub(crate) fn new(word: u32, address: usize) -> Self {
        Self {
            word,
            me: id_at(address),
        }
    }
}

impl fmt::Debug for ShownClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.word & ID {
            0 => f.write_str("free")?,
            id if id == self.me => f.write_str("held by this handle")?,
            id => write!(f, "held by participant {id}")?,
        }
        if self.word & POISON != 0 {
            f.write_str(", after a death")?;
        }
        if self.word & WAITERS != 0 {
            f.write_str(", has waiters")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_word_is_shown_in_words() {
        let shown = |word| format!("{:?}", ShownClaim { word, me: 7 });
        assert_eq!(shown(0), "free");
        assert_eq!(shown(POISON), "free, after a death");
        assert_eq!(shown(7), "held by this handle");
        assert_eq!(shown(8 | WAITERS), "held by participant 8, has waiters");
        assert_eq!(
            shown(7 | POISON | WAITERS),
            "held by this handle, after a death, has waiters"
        );
        // A process that has no id holds nothing.
        let word = ShownClaim { word: 0, me: 0 };
        assert_eq!(format!("{word:?}"), "free");
    }
}
