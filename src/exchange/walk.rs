//! A random walk that can be asked for any second at once.

/// Longest stretch that is filled in by halving it, as a power of two in seconds: 48 days.
const TOP: u32 = 22;

/// Noise has this many fractional bits.
const ONE: i128 = 1 << 16;

/// A walk through time, decided by its key alone. It is Lévy's construction of Brownian motion: the
/// ends of a stretch are drawn, then its middle, then the middles of its halves, down to a second; so
/// each second is reached in a few steps, whichever was asked for before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk {
    key: u64,
    /// How far it goes in a second, in billionths.
    pace: i128,
}

impl Walk {
    /// The walk of a name. `pace` is how far it goes in a second, in billionths; in a day it goes about
    /// 300 times as far.
    pub(super) fn new(seed: u64, name: &str, pace: i128) -> Self {
        Self {
            key: key(seed, name),
            pace,
        }
    }

    /// Where it is at a second since 1970, in billionths of where it stands on average.
    pub(super) fn at(self, second: i64) -> i128 {
        let size = 1_i128 << TOP;
        let inside = i128::from(second & ((1 << TOP) - 1));
        let stretch = second >> TOP;
        // The ends lie as far apart as a walk would have gone on from one to the other.
        let reach = self.step(TOP);
        let end = |index| self.noise(u64::from(TOP) + 1, index) * reach;
        let mut sum = (end(stretch) * (size - inside) + end(stretch + 1) * inside) / size;
        for level in 0..TOP {
            let half = 1_i128 << level;
            let within = i128::from(second & ((2 << level) - 1));
            let height = if within <= half {
                within
            } else {
                2 * half - within
            };
            let drawn = self.noise(u64::from(level), second >> (level + 1));
            sum += drawn * (self.step(level + 1) / 2) * height / half;
        }
        sum / ONE
    }

    /// How far the walk goes in 2^`level` seconds.
    fn step(self, level: u32) -> i128 {
        let whole = self.pace << (level / 2);
        if level.is_multiple_of(2) {
            whole
        } else {
            whole * 141_421 / 100_000
        }
    }

    /// Between -1 and 1, in units of [`ONE`].
    fn noise(self, level: u64, index: i64) -> i128 {
        let drawn = mix(self.key ^ mix(level.wrapping_mul(0x9e37_79b9) ^ index.cast_unsigned()));
        i128::from(drawn & 0x1_ffff) - ONE
    }
}

/// A number that is drawn for a name, the same each time.
pub(super) fn key(seed: u64, name: &str) -> u64 {
    name.bytes().fold(mix(seed), |key, byte| {
        mix(key ^ u64::from(byte)).wrapping_add(0x9e37_79b9_7f4a_7c15)
    })
}

/// The finaliser of SplitMix64: neighbours become unlike.
pub(super) fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::Walk;

    const PACE: i128 = 170_000;

    #[test]
    fn it_moves_by_small_steps_and_stays_around_its_middle() {
        for name in ["btc", "eth", "mxn"] {
            let walk = Walk::new(7, name, PACE);
            let mut before = walk.at(1_700_000_000);
            for second in 1_700_000_001..1_700_020_000 {
                let now = walk.at(second);
                assert!((now - before).abs() < 20 * PACE, "{name} at {second}");
                before = now;
            }
            for day in 0..2000 {
                let far = walk.at(day * 86_400);
                assert!(far.abs() < 900_000_000, "{name} on day {day}: {far}");
            }
        }
    }

    #[test]
    fn seeds_and_names_walk_their_own_ways() {
        let places = [(1, "btc"), (2, "btc"), (1, "eth")]
            .map(|(seed, name)| Walk::new(seed, name, PACE).at(1_750_000_000));
        assert!(places[0] != places[1] && places[0] != places[2]);
        assert_eq!(places[0], Walk::new(1, "btc", PACE).at(1_750_000_000));
    }
}
