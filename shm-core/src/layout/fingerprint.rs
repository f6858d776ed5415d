//! The 64-bit fingerprint of a layout: FNV-1a, computed at compile time.
//!
//! FNV-1a is not a cryptographic hash and need not be one: the fingerprint tells two honest programs that they
//! disagree. A dishonest one can always write the expected number, which is why every byte that comes out of a
//! segment is treated as arbitrary anyway.

const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// A running FNV-1a hash that works in constants.
#[derive(Clone, Copy)]
pub(crate) struct Fnv(u64);

impl Fnv {
    pub(crate) const fn new() -> Self {
        Self(OFFSET_BASIS)
    }

    pub(crate) const fn byte(self, byte: u8) -> Self {
        Self((self.0 ^ byte as u64).wrapping_mul(PRIME))
    }

    pub(crate) const fn bytes(mut self, bytes: &[u8]) -> Self {
        let mut i = 0;
        while i < bytes.len() {
            self = self.byte(bytes[i]);
            i += 1;
        }
        self
    }

    /// Feeds the eight bytes of `word`, lowest first, on machines of either byte order.
    pub(crate) const fn word(self, word: u64) -> Self {
        self.bytes(&word.to_le_bytes())
    }

    /// Feeds the length and then the bytes, so that ("ab", "c") and ("a", "bc") differ.
    pub(crate) const fn text(self, text: &str) -> Self {
        self.word(text.len() as u64).bytes(text.as_bytes())
    }

    pub(crate) const fn finish(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_published_vectors() {
        assert_eq!(Fnv::new().finish(), 0xcbf2_9ce4_8422_2325);
        assert_eq!(Fnv::new().bytes(b"a").finish(), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(Fnv::new().bytes(b"foobar").finish(), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn text_is_delimited() {
        assert_ne!(
            Fnv::new().text("ab").text("c").finish(),
            Fnv::new().text("a").text("bc").finish()
        );
    }
}
