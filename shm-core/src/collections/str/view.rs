//! Text in shared memory.

use std::fmt;
use std::ops::ControlFlow;
use std::string::FromUtf8Error;

use super::{InvalidText, check};
use crate::access::{Access, ReadWrite, Writable};
use crate::cell::{NulPadded, ShmCell, ShmSlice};

/// The number of bytes read at once.
const CHUNK: usize = 256;

/// A [`ShmStr`](crate::ShmStr) in shared memory: what a cell of it derefs to.
///
/// `load` and `store` of the cell transfer all `N` bytes as a value.
///
/// # Memory ordering
///
/// All accesses are relaxed, one per byte. A process that reads while another writes can see a mixture of both texts,
/// which need not be UTF-8. Order the accesses with an atomic, or protect the text with a lock.
#[repr(transparent)]
pub struct ShmStrView<const N: usize, A: Access = ReadWrite> {
    bytes: [ShmCell<u8, A>; N],
}

impl<const N: usize, A: Access> ShmStrView<N, A> {
    /// Writes a text, and zeros after it, so that nothing of the old text remains.
    ///
    /// A process that dies in this call can leave a mixture of both texts.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidText`] if the text has more than `N` bytes or contains a NUL. The old text is then unchanged: text
    /// is never truncated.
    pub fn set(&self, text: &str) -> Result<(), InvalidText>
    where
        A: Writable,
    {
        check(text, N)?;
        let (used, rest) = self.bytes.split_at(text.len());
        ShmSlice::new(used).write_from(text.as_bytes());
        ShmSlice::new(rest).fill(0);
        Ok(())
    }

    /// Reads the text.
    ///
    /// # Errors
    ///
    /// Returns [`FromUtf8Error`] if the bytes are not UTF-8: another process has written them, or is writing now.
    /// [`FromUtf8Error::into_bytes`] returns the bytes.
    pub fn get(&self) -> Result<String, FromUtf8Error> {
        String::from_utf8(self.to_bytes())
    }

    /// Reads the bytes up to the first NUL.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let _ = self.for_each_chunk(|part| {
            text.extend_from_slice(part);
            ControlFlow::Continue(())
        });
        text
    }

    /// Calls `use_part` with the bytes of the text, in parts, until it breaks.
    pub(super) fn for_each_chunk(
        &self,
        mut use_part: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        // Each chunk is copied before it is searched: another process may write between two reads. Chunks, because most
        // texts are far shorter than their capacity.
        for chunk in self.bytes.chunks(CHUNK) {
            let mut copy = [0; CHUNK];
            let copy = &mut copy[..chunk.len()];
            ShmSlice::new(chunk).read_into(copy);
            let part = NulPadded::new(copy).bytes();
            use_part(part)?;
            if part.len() < chunk.len() {
                break;
            }
        }
        ControlFlow::Continue(())
    }

    /// Returns `true` if the text is empty, as in a new segment.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.first().is_none_or(|byte| byte.get() == 0)
    }

    /// Returns the capacity in bytes, `N`.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        N
    }
}

impl<const N: usize, A: Access> fmt::Debug for ShmStrView<N, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&NulPadded::new(&self.to_bytes()), f)
    }
}
