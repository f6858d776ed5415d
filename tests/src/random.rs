//! Reproducible random numbers: the same for a seed, so that a failure can be repeated.

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers that belong to `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.word() % end as u64) as usize
    }

    /// True once in `count` times.
    pub fn one_in(&mut self, count: u64) -> bool {
        self.word().is_multiple_of(count)
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A number that checks tend to get wrong: small, huge, near `about`, or any.
    pub fn awkward(&mut self, about: u64) -> u64 {
        match self.below(6) {
            0 => self.word() % 4,
            1 => u64::MAX - self.word() % 4,
            2 => about.wrapping_add(self.word() % 5).wrapping_sub(2),
            3 => 1 << self.below(64),
            4 => self.word() % about.saturating_mul(2).max(1),
            _ => self.word(),
        }
    }
}
