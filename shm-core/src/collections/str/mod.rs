//! [`ShmStr`]: text of bounded length.

mod cmp;
mod error;
mod view;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::{FromStr, Utf8Error};

use crate::access::Access;
use crate::cell::NulPadded;
use crate::layout::{TypeLayout, meaning};
use crate::shm_layout::ShmLayout;

pub use self::error::InvalidText;
pub use self::view::ShmStrView;
pub(crate) use self::view::{read_text, write_text};

/// UTF-8 text of at most `N` bytes, padded with NULs: a `char[N]` in C.
///
/// The text ends at the first NUL, or after `N` bytes if there is none. `N` is at least 1: a struct with a `ShmStr<0>` does
/// not compile.
///
/// A `ShmStr` is a plain value, so `Copy` structs can have it as a field, and `load` and `store` of the struct transfer it.
/// In shared memory, a cell of it derefs to a [`ShmStrView`], which reads and writes only the text. Both compare with `str`
/// and `String` by `==` and `<`, without an allocation, and both can be written to by `write!`.
///
/// # Peers
///
/// Other processes can write any bytes, so reading the text returns a `Result`.
///
/// # Examples
///
/// ```
/// use shm_core::{ShmLayout, ShmStr};
///
/// #[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
/// #[repr(C)]
/// struct Person { name: ShmStr<24>, age: u32 }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let shm = Person::create_anonymous()?;
/// shm.name.set("Zażółć")?;
/// assert_eq!(shm.name.get()?, "Zażółć");
/// assert!(shm.name.set("longer than twenty-four bytes").is_err());
/// assert_eq!(shm.name, "Zażółć"); // unchanged
/// shm.name.push_str(" gęślą")?;
/// assert_eq!((shm.name.len(), shm.name.pop()?), (19, Some('ą')));
///
/// let person = Person { name: ShmStr::new("Ala")?, age: 30 };
/// shm.store(person);
/// assert_eq!(shm.load().name.as_str()?, "Ala");
/// assert_eq!(format!("{:?}", shm.cell()), r#"Person { name: "Ala", age: 30 }"#);
/// # Ok(()) }
/// ```
///
/// # Differences from `String`
///
/// - No `&str` into shared memory exists, as the bytes can change at any time: [`get`](ShmStrView::get) copies them, and
///   [`as_str`](Self::as_str) is a method of values.
/// - There may be no room, and the bytes may not be UTF-8, so `push_str` and `pop` return a `Result`. `truncate`
///   never panics: it does not split a character, but removes it.
/// - There is nothing to change the middle of the text: change the `String` of `get`, then [`set`](ShmStrView::set) it.
/// - Values have [`Ord`], in the order of `str`. Cells and views do not, as they can change between two comparisons.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct ShmStr<const N: usize> {
    bytes: [u8; N],
}

// SAFETY: 1. an array of bytes and nothing else. 2. The view is an array of as many byte cells. 3. The address is
// returned unchanged.
#[diagnostic::do_not_recommend]
unsafe impl<const N: usize> ShmLayout for ShmStr<N> {
    type View<A: Access> = ShmStrView<N, A>;
    const LAYOUT: &'static TypeLayout = &TypeLayout::meaning(meaning::STR, <[u8; N]>::LAYOUT, None);
    #[inline]
    fn view_at<A: Access>(payload: *const (), _: usize) -> *const ShmStrView<N, A> {
        payload.cast()
    }
}

impl<const N: usize> ShmStr<N> {
    /// Creates a `ShmStr` from a text.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidText`] if the text has more than `N` bytes or contains a NUL.
    pub fn new(text: &str) -> Result<Self, InvalidText> {
        let len = check(0, text, N)?;
        let mut bytes = [0; N];
        bytes[..len].copy_from_slice(text.as_bytes());
        Ok(Self { bytes })
    }

    /// Creates a `ShmStr` from the bytes of a C `char[N]`. Any bytes are allowed.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; N]) -> Self {
        Self { bytes }
    }

    /// Returns the text.
    ///
    /// # Errors
    ///
    /// Returns [`Utf8Error`] if the bytes are not UTF-8: another process has written them, or was writing while the value
    /// was loaded.
    pub fn as_str(&self) -> Result<&str, Utf8Error> {
        str::from_utf8(self.as_bytes())
    }

    /// Returns the bytes up to the first NUL.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        NulPadded::new(&self.bytes).bytes()
    }

    /// Appends a text.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidText`] if both texts together have more than `N` bytes, or if the new one contains a NUL. The old text
    /// is then unchanged.
    pub fn push_str(&mut self, text: &str) -> Result<(), InvalidText> {
        let len = self.len();
        let end = check(len, text, N)?;
        self.bytes[len..end].copy_from_slice(text.as_bytes());
        self.clear_from(end);
        Ok(())
    }

    /// Removes the last character and returns it, or `None` if the text is empty.
    ///
    /// # Errors
    ///
    /// Returns [`Utf8Error`], without a change, if the bytes are not UTF-8. [`truncate`](Self::truncate) shortens any bytes.
    pub fn pop(&mut self) -> Result<Option<char>, Utf8Error> {
        let mut chars = self.as_str()?.chars();
        let last = chars.next_back();
        let len = chars.as_str().len();
        self.clear_from(len);
        Ok(last)
    }

    /// Shortens the text to at most `len` bytes: to fewer if a character would be split. Has no effect if it is not longer.
    pub fn truncate(&mut self, len: usize) {
        if len < N {
            self.clear_from(char_boundary(len, |at| self.bytes[at]));
        }
    }

    /// Ends the text at `len`, so that no bytes that were after a NUL become part of it.
    fn clear_from(&mut self, len: usize) {
        self.bytes[len..].fill(0);
    }

    /// Returns the length of the text in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Returns `true` if the text is empty, as in zeroed memory.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// Returns the capacity in bytes, `N`.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        N
    }
}

/// Checks that `text` has no NUL and fits after a text of `before` bytes. Returns the length of both.
fn check(before: usize, text: &str, capacity: usize) -> Result<usize, InvalidText> {
    // `contains` is faster than `position`, and a NUL is rare.
    if text.as_bytes().contains(&0) {
        let at = text.bytes().take_while(|byte| *byte != 0).count();
        return Err(InvalidText::Nul { at });
    }
    let len = before + text.len();
    if len > capacity {
        return Err(InvalidText::TooLong { len, capacity });
    }
    Ok(len)
}

/// The largest index up to `len` that is not inside a character. If the three bytes before `len` and the one there are all
/// inside one, which does not happen in UTF-8, that is `len`.
fn char_boundary(len: usize, byte_at: impl Fn(usize) -> u8) -> usize {
    let is_boundary = |at: &usize| byte_at(*at) & 0b1100_0000 != 0b1000_0000;
    let nearest = (len.saturating_sub(3)..=len).rev().find(is_boundary);
    nearest.unwrap_or(len)
}

/// The empty text.
impl<const N: usize> Default for ShmStr<N> {
    fn default() -> Self {
        Self { bytes: [0; N] }
    }
}

/// Formats the text as a string literal, with bytes that are not UTF-8 as `\xff`.
impl<const N: usize> fmt::Debug for ShmStr<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&NulPadded::new(&self.bytes), f)
    }
}

/// Formats the text itself, with bytes that are not UTF-8 as `\xff`.
impl<const N: usize> fmt::Display for ShmStr<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&NulPadded::new(&self.bytes), f)
    }
}

/// Compares the texts; bytes after the first NUL are ignored.
impl<const N: usize, const M: usize> PartialEq<ShmStr<M>> for ShmStr<N> {
    fn eq(&self, other: &ShmStr<M>) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const N: usize> Eq for ShmStr<N> {}

/// Orders by the bytes of the texts, as `str` does.
impl<const N: usize> Ord for ShmStr<N> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl<const N: usize, const M: usize> PartialOrd<ShmStr<M>> for ShmStr<N> {
    fn partial_cmp(&self, other: &ShmStr<M>) -> Option<Ordering> {
        Some(self.as_bytes().cmp(other.as_bytes()))
    }
}

/// Appends, as [`push_str`](ShmStr::push_str) does. `write!` fails at the first piece that does not fit; the pieces before it
/// are appended.
impl<const N: usize> fmt::Write for ShmStr<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text).map_err(|_| fmt::Error)
    }
}

impl<const N: usize> Hash for ShmStr<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl<const N: usize> TryFrom<&str> for ShmStr<N> {
    type Error = InvalidText;

    fn try_from(text: &str) -> Result<Self, InvalidText> {
        Self::new(text)
    }
}

/// `"text".parse::<ShmStr<16>>()`, as [`ShmStr::new`].
impl<const N: usize> FromStr for ShmStr<N> {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        Self::new(text)
    }
}
