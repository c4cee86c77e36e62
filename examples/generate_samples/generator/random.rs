//! Chance with a seed.

/// `SplitMix64`: small, fast, the same on every machine.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `bound` - 1, even enough for data (the widening multiply of Lemire).
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(bound);
        u64::try_from(wide >> 64).expect("the upper half fits")
    }

    pub(super) fn signed(&mut self, bound: u64) -> i64 {
        i64::try_from(self.below(bound)).expect("bounds are far below 2^63")
    }

    /// An index below `len` that prefers the small ones.
    pub(super) fn skewed(&mut self, len: usize) -> usize {
        let len = len as u64;
        let index =
            (u128::from(self.below(len)) * u128::from(self.below(len) + 1)) / u128::from(len);
        usize::try_from(index).expect("an index fits")
    }
}
