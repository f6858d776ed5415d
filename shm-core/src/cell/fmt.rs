//! Formatting of text and offsets from shared memory, for any bytes, and the same for cells and for values.

use std::fmt::{self, Write};

/// The bytes of NUL-padded text up to the first NUL. They need not be UTF-8.
pub(crate) struct NulPadded<'a>(&'a [u8]);

impl<'a> NulPadded<'a> {
    /// Cuts off the padding.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let end = bytes.iter().position(|byte| *byte == 0);
        Self(&bytes[..end.unwrap_or(bytes.len())])
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.0
    }
}

/// As a string literal, with bytes that are not UTF-8 as `\xff`.
impl fmt::Debug for NulPadded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    // Needs no escape within double quotes.
                    '\'' => f.write_char(character)?,
                    _ => write!(f, "{}", character.escape_debug())?,
                }
            }
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        f.write_char('"')
    }
}

/// The text itself, with bytes that are not UTF-8 as `\xff`.
impl fmt::Display for NulPadded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Ok(text) = str::from_utf8(self.0) {
            // Applies the formatter's width and alignment.
            return f.pad(text);
        }
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        Ok(())
    }
}

/// An offset in bytes from the start of a segment; 0 is null.
pub(crate) struct RawOffset(pub(crate) u64);

impl fmt::Debug for RawOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("ShmOffset(null)"),
            offset => write!(f, "ShmOffset({offset:#x})"),
        }
    }
}
