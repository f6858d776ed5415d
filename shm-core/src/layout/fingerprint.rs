//! The 64-bit fingerprint of a layout: FNV-1a, computed at compile time.
//!
//! FNV-1a is not a cryptographic hash and need not be one. The fingerprint detects that two honest programs disagree;
//! a dishonest one can always write the expected number, so every byte read from a segment is treated as arbitrary
//! anyway. Within one program, where all accesses to a byte must have the same width, layouts of equal fingerprints are
//! compared part by part.

use super::{ScalarKind, tag};

const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;
const PRIME_8: u64 = PRIME.wrapping_pow(8);

/// `a * b`, modulo 2^64.
macro_rules! times {
    ($a:expr, $b:expr) => {
        // A product in 128 bits instead of `wrapping_mul`: in constant evaluation a call is slower than arithmetic, and
        // the compiler hashes every layout.
        (($a) as u128 * $b as u128) as u64
    };
}

/// `hash` after the eight bytes of a number below 256. A zero byte only multiplies, so the seven zeros are combined into
/// one multiplication.
macro_rules! small {
    ($hash:expr, $word:expr) => {
        times!($hash ^ $word, PRIME_8)
    };
}

/// `hash` after the eight bytes of `word`.
macro_rules! word {
    ($hash:expr, $word:expr) => {{
        let hash = times!($hash ^ ($word & 0xff), PRIME);
        let hash = times!(hash ^ (($word >> 8) & 0xff), PRIME);
        let hash = times!(hash ^ (($word >> 16) & 0xff), PRIME);
        let hash = times!(hash ^ (($word >> 24) & 0xff), PRIME);
        let hash = times!(hash ^ (($word >> 32) & 0xff), PRIME);
        let hash = times!(hash ^ (($word >> 40) & 0xff), PRIME);
        let hash = times!(hash ^ (($word >> 48) & 0xff), PRIME);
        times!(hash ^ ($word >> 56), PRIME)
    }};
}

/// A running FNV-1a hash that works in constants.
#[derive(Clone, Copy)]
pub(crate) struct Fnv(u64);

impl Fnv {
    pub(crate) const fn new() -> Self {
        Self(OFFSET_BASIS)
    }

    pub(crate) const fn byte(self, byte: u8) -> Self {
        Self(times!(self.0 ^ byte as u64, PRIME))
    }

    pub(crate) const fn bytes(self, bytes: &[u8]) -> Self {
        let (mut hash, mut i, len) = (self.0, 0, bytes.len());
        while i < len {
            hash = times!(hash ^ bytes[i] as u64, PRIME);
            i += 1;
        }
        Self(hash)
    }

    /// Feeds the eight bytes of `word` in little-endian order, whatever the machine's.
    pub(crate) const fn word(self, word: u64) -> Self {
        if word < 0x100 {
            return Self(small!(self.0, word));
        }
        Self(word!(self.0, word))
    }

    /// Feeds `text(name)`, `word(offset)` and `word(fingerprint)` in one call.
    pub(crate) const fn field(self, name: &[u8], offset: u64, fingerprint: u64) -> Self {
        let (mut i, len) = (0, name.len());
        let mut hash = if len < 0x100 {
            small!(self.0, len as u64)
        } else {
            word!(self.0, len as u64)
        };
        while i < len {
            hash = times!(hash ^ name[i] as u64, PRIME);
            i += 1;
        }
        let hash = if offset < 0x100 {
            small!(hash, offset)
        } else {
            word!(hash, offset)
        };
        Self(word!(hash, fingerprint))
    }

    /// Feeds the length and then the bytes, so that ("ab", "c") and ("a", "bc") differ.
    pub(crate) const fn text(self, text: &str) -> Self {
        self.word(text.len() as u64).bytes(text.as_bytes())
    }

    pub(crate) const fn finish(self) -> u64 {
        self.0
    }
}

/// The machine that wrote a schema, as far as it shows in the fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ByteOrder {
    /// That of this machine.
    Native,
    /// The other one.
    Swapped,
}

/// Starts the fingerprint of a node.
const fn seed(tag: u8, order: ByteOrder) -> Fnv {
    let is_big = cfg!(target_endian = "big") != matches!(order, ByteOrder::Swapped);
    Fnv::new().byte(tag).byte(is_big as u8)
}

pub(crate) const fn scalar(order: ByteOrder, kind: ScalarKind, atomic: bool) -> u64 {
    let hash = seed(tag::SCALAR, order);
    hash.byte(kind as u8).byte(atomic as u8).finish()
}

pub(crate) const fn array(order: ByteOrder, len: usize, element: u64) -> u64 {
    let hash = seed(tag::ARRAY, order);
    hash.word(len as u64).word(element).finish()
}

pub(crate) const fn slice(order: ByteOrder, element: u64) -> u64 {
    seed(tag::SLICE, order).word(element).finish()
}

/// Starts the fingerprint of an enum. The names and discriminants of the variants follow.
pub(crate) const fn enumeration(order: ByteOrder, repr: ScalarKind, variants: usize) -> Fnv {
    let hash = seed(tag::ENUM, order).byte(repr as u8);
    hash.word(variants as u64)
}

pub(crate) const fn meaning(order: ByteOrder, meaning: &str, inner: u64) -> u64 {
    // Without the target: a type may contain an offset to itself, so its fingerprint would depend on itself.
    seed(tag::MEANING, order).text(meaning).word(inner).finish()
}

/// Starts the fingerprint of a struct. A [`field`](Fnv::field) for each field follows.
pub(crate) const fn structure(
    order: ByteOrder,
    size: usize,
    align: usize,
    version: u32,
    fields: usize,
) -> Fnv {
    let hash = seed(tag::STRUCT, order).word(size as u64);
    let hash = hash.word(align as u64).word(version as u64);
    hash.word(fields as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_match_the_published_test_vectors() {
        assert_eq!(Fnv::new().finish(), 0xcbf2_9ce4_8422_2325);
        assert_eq!(Fnv::new().bytes(b"a").finish(), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(Fnv::new().bytes(b"foobar").finish(), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn word_equals_its_eight_bytes() {
        for word in [0, 1, 0xff, 0x100, 0xffff, 0x0102_0304_0506_0708, u64::MAX] {
            let start = Fnv::new().text("start");
            assert_eq!(
                start.word(word).finish(),
                start.bytes(&word.to_le_bytes()).finish()
            );
        }
    }

    #[test]
    fn field_equals_its_parts() {
        let long = "n".repeat(300);
        for name in ["x", "a_name", &long] {
            for (offset, fingerprint) in [(0, 1), (255, u64::MAX), (256, 7), (70_000, 1 << 40)] {
                let start = Fnv::new().byte(4);
                assert_eq!(
                    start.field(name.as_bytes(), offset, fingerprint).finish(),
                    start.text(name).word(offset).word(fingerprint).finish()
                );
            }
        }
    }

    #[test]
    fn text_includes_its_length() {
        assert_ne!(
            Fnv::new().text("ab").text("c").finish(),
            Fnv::new().text("a").text("bc").finish()
        );
    }
}
