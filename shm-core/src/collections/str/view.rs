//! Text in shared memory.

use std::fmt;
use std::ops::ControlFlow;
use std::string::FromUtf8Error;

use super::{InvalidText, ShmStr, char_boundary, check};
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
///
/// [`push_str`](Self::push_str), [`pop`](Self::pop) and `write!` read the text before they write, so only one process at a time
/// may call them. A process that dies in one of them can leave a part of the change.
///
/// # Examples
///
/// ```
/// use std::fmt::Write;
///
/// use shm_core::{ShmLayout, ShmStr};
///
/// #[derive(ShmLayout)]
/// #[repr(C)]
/// struct Job { status: ShmStr<16> }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let shm = Job::create_anonymous()?;
/// write!(&shm.status, "{} of {}", 3, 8)?;
/// assert_eq!(shm.status, "3 of 8");
/// shm.status.truncate(1);
/// shm.status.push_str(" łącznie")?;
/// assert_eq!(shm.status, "3 łącznie");
/// assert!(shm.status < "4");
/// assert!(shm.status.push_str(" and more").is_err()); // unchanged: nothing is cut off
/// # Ok(()) }
/// ```
#[repr(transparent)]
pub struct ShmStrView<const N: usize, A: Access = ReadWrite> {
    bytes: [ShmCell<u8, A>; N],
}

impl<const N: usize, A: Access> ShmStrView<N, A> {
    /// Writes a text, and zeros over what is left of the old one. Bytes after the NUL of the old text may stay: only a peer that
    /// does not write zeros leaves any there. They are not part of the new text.
    ///
    /// A process that dies in this call can leave a mixture of both texts, and parts of the old one after its end.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidText`] if the text has more than `N` bytes or contains a NUL. The old text is then unchanged: text
    /// is never truncated.
    pub fn set(&self, text: &str) -> Result<(), InvalidText>
    where
        A: Writable,
    {
        check(0, text, N)?;
        write_text(&self.bytes, text.as_bytes());
        Ok(())
    }

    /// Appends a text.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidText`] if both texts together have more than `N` bytes, or if the new one contains a NUL. The old text
    /// is then unchanged.
    pub fn push_str(&self, text: &str) -> Result<(), InvalidText>
    where
        A: Writable,
    {
        let len = self.len();
        let end = check(len, text, N)?;
        // The zeros first: if a peer has written bytes after the NUL, no reader sees them as part of the text.
        self.end_at(end);
        ShmSlice::new(&self.bytes[len..end]).write_from(text.as_bytes());
        Ok(())
    }

    /// Removes the last character and returns it, or `None` if the text is empty.
    ///
    /// # Errors
    ///
    /// Returns [`FromUtf8Error`], without a change, if the bytes are not UTF-8. [`truncate`](Self::truncate) shortens any
    /// bytes.
    pub fn pop(&self) -> Result<Option<char>, FromUtf8Error>
    where
        A: Writable,
    {
        let mut text = self.get()?;
        let last = text.pop();
        self.end_at(text.len());
        Ok(last)
    }

    /// Shortens the text to at most `len` bytes: to fewer if a character would be split. Has no effect if it is not longer.
    pub fn truncate(&self, len: usize)
    where
        A: Writable,
    {
        if len < N {
            self.end_at(char_boundary(len, |at| self.bytes[at].get()));
        }
    }

    /// Ends the text at `len`: writes zeros from there to the first NUL, if there is none at `len` yet.
    fn end_at(&self, len: usize)
    where
        A: Writable,
    {
        end_at(&self.bytes, len);
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
        read_text(&self.bytes)
    }

    /// Calls `use_part` with the bytes of the text, in parts, until it breaks.
    pub(super) fn for_each_chunk(
        &self,
        use_part: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for_each_chunk(&self.bytes, use_part)
    }

    /// Returns the length of the text in bytes: reads up to the first NUL.
    #[must_use]
    pub fn len(&self) -> usize {
        let mut len = 0;
        let _ = self.for_each_chunk(|part| {
            len += part.len();
            ControlFlow::Continue(())
        });
        len
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

/// Writes a text that fits and has no NUL, and zeros over what is left of the old one.
pub(crate) fn write_text<A: Writable>(bytes: &[ShmCell<u8, A>], text: &[u8]) {
    ShmSlice::new(&bytes[..text.len()]).write_from(text);
    end_at(bytes, text.len());
}

/// Ends the text at `len`.
fn end_at<A: Writable>(bytes: &[ShmCell<u8, A>], len: usize) {
    let rest = &bytes[len..];
    if rest.first().is_none_or(|byte| byte.get() == 0) {
        return;
    }
    for chunk in rest.chunks(CHUNK) {
        let mut copy = [0; CHUNK];
        let copy = &mut copy[..chunk.len()];
        ShmSlice::new(chunk).read_into(copy);
        let old = NulPadded::new(copy).bytes().len();
        ShmSlice::new(&chunk[..old]).fill(0);
        if old < chunk.len() {
            break;
        }
    }
}

/// Reads the bytes up to the first NUL.
pub(crate) fn read_text<A: Access>(bytes: &[ShmCell<u8, A>]) -> Vec<u8> {
    let mut text = Vec::new();
    let _ = for_each_chunk(bytes, |part| {
        text.extend_from_slice(part);
        ControlFlow::Continue(())
    });
    text
}

/// Calls `use_part` with the bytes up to the first NUL, in parts, until it breaks.
fn for_each_chunk<A: Access>(
    bytes: &[ShmCell<u8, A>],
    mut use_part: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> ControlFlow<()> {
    // Each chunk is copied before it is searched: another process may write between two reads. Chunks, because most
    // texts are far shorter than their capacity.
    for chunk in bytes.chunks(CHUNK) {
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

impl<const N: usize, A: Access> fmt::Debug for ShmStrView<N, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&NulPadded::new(&self.to_bytes()), f)
    }
}

/// Appends, as [`push_str`](ShmStrView::push_str) does: `write!(&*text, ..)`. It fails at the first piece that does not fit; the
/// pieces before it are appended. To write all or nothing, write to a [`ShmStr`] first, then store it.
impl<const N: usize, A: Writable> fmt::Write for &ShmStrView<N, A> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text).map_err(|_| fmt::Error)
    }
}

/// As for [`ShmStrView`]: `write!(&shm.text, ..)`.
impl<const N: usize, A: Writable> fmt::Write for &ShmCell<ShmStr<N>, A> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text).map_err(|_| fmt::Error)
    }
}
