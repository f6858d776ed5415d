//! [`ShmStr`]: text of bounded length.

use std::error::Error;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::ControlFlow;
use std::str::{FromStr, Utf8Error};
use std::string::FromUtf8Error;

use crate::access::{Access, ReadWrite, Writable};
use crate::cell::{NulPadded, ShmCell, ShmSlice};
use crate::error::debug_with_text;
use crate::layout::{TypeLayout, meaning};
use crate::shm_layout::ShmLayout;

/// The number of bytes read at once.
const CHUNK: usize = 256;

/// UTF-8 text of at most `N` bytes, padded with NULs: a `char[N]` in C.
///
/// The text ends at the first NUL, or after `N` bytes if there is none. `N` is at least 1: a struct with a `ShmStr<0>` does
/// not compile.
///
/// A `ShmStr` is a plain value, so `Copy` structs can have it as a field, and `load` and `store` of the struct transfer it.
/// In shared memory, a cell of it derefs to a [`ShmStrView`], which reads and writes only the text. Both compare with `str`
/// and `String` by `==`, without an allocation.
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
///
/// let person = Person { name: ShmStr::new("Ala")?, age: 30 };
/// shm.store(person);
/// assert_eq!(shm.load().name.as_str()?, "Ala");
/// assert_eq!(format!("{:?}", shm.cell()), r#"Person { name: "Ala", age: 30 }"#);
/// # Ok(()) }
/// ```
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
        check(text, N)?;
        let mut bytes = [0; N];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
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

/// Checks that `text` has at most `capacity` bytes and no NUL.
fn check(text: &str, capacity: usize) -> Result<(), InvalidText> {
    if let Some(at) = text.bytes().position(|byte| byte == 0) {
        return Err(InvalidText::Nul { at });
    }
    let len = text.len();
    if len > capacity {
        return Err(InvalidText::TooLong { len, capacity });
    }
    Ok(())
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

/// A [`ShmStr`] in shared memory: what a cell of it derefs to.
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
    fn for_each_chunk(
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

impl<const N: usize> ShmStr<N> {
    fn eq_str(&self, text: &str) -> bool {
        self.as_bytes() == text.as_bytes()
    }
}

impl<const N: usize, A: Access> ShmStrView<N, A> {
    /// Compares without an allocation, and without a check: bytes equal to those of a `str` are UTF-8.
    fn eq_str(&self, text: &str) -> bool {
        let mut rest = text.as_bytes();
        let read = self.for_each_chunk(|part| match rest.strip_prefix(part) {
            Some(more) => {
                rest = more;
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(()),
        });
        read.is_continue() && rest.is_empty()
    }
}

macro_rules! str_eq {
    ($([$($vars:tt)*] $text:ty, $str:ty;)*) => {$(
        impl<const N: usize, $($vars)*> PartialEq<$str> for $text {
            fn eq(&self, other: &$str) -> bool {
                self.eq_str(other)
            }
        }

        impl<const N: usize, $($vars)*> PartialEq<$text> for $str {
            fn eq(&self, other: &$text) -> bool {
                other.eq_str(self)
            }
        }
    )*}
}

str_eq! {
    [] ShmStr<N>, str;
    [] ShmStr<N>, &str;
    [] ShmStr<N>, String;
    [A: Access] ShmStrView<N, A>, str;
    [A: Access] ShmStrView<N, A>, &str;
    [A: Access] ShmStrView<N, A>, String;
    [A: Access] ShmCell<ShmStr<N>, A>, str;
    [A: Access] ShmCell<ShmStr<N>, A>, &str;
    [A: Access] ShmCell<ShmStr<N>, A>, String;
}

/// The error returned when a text cannot be stored in a [`ShmStr`].
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidText {
    /// The text has more bytes than there is room for.
    #[non_exhaustive]
    TooLong {
        /// The length of the text in bytes.
        len: usize,
        /// The capacity in bytes.
        capacity: usize,
    },
    /// The text contains a NUL, which would end it for readers.
    #[non_exhaustive]
    Nul {
        /// The index of the first NUL, in bytes.
        at: usize,
    },
}

impl fmt::Display for InvalidText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len, capacity } => write!(
                f,
                "the text has {len} bytes, but the capacity is {capacity}; shorten it, or use a larger `ShmStr`"
            ),
            Self::Nul { at } => write!(
                f,
                "the text has a NUL at index {at}, where it would end; remove it"
            ),
        }
    }
}

impl Error for InvalidText {}

debug_with_text! {
    enum InvalidText { TooLong { len, capacity }, Nul { at } }
}
