//! What things are worth: every API speaks of the same market.

use super::decimal::{BILLION, Decimal};
use super::walk::{Walk, key, mix};

/// A coin.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Coin {
    /// CoinGecko's id.
    pub(super) id: &'static str,
    pub(super) symbol: &'static str,
    pub(super) name: &'static str,
    /// What it is worth on average, in millionths of a US dollar.
    micros: i128,
    /// How many there are.
    pub(super) supply: i128,
    /// On how many markets it is traded.
    pub(super) markets: usize,
}

#[rustfmt::skip]
pub(super) const COINS: &[Coin] = &[
    Coin { id: "bitcoin", symbol: "BTC", name: "Bitcoin", micros: 67_000_000_000, supply: 19_700_000, markets: 253 },
    Coin { id: "ethereum", symbol: "ETH", name: "Ethereum", micros: 3_400_000_000, supply: 120_100_000, markets: 221 },
    Coin { id: "zcash", symbol: "ZEC", name: "Zcash", micros: 48_500_000, supply: 15_600_000, markets: 130 },
    Coin { id: "litecoin", symbol: "LTC", name: "Litecoin", micros: 84_000_000, supply: 74_700_000, markets: 100 },
    Coin { id: "solana", symbol: "SOL", name: "Solana", micros: 172_000_000, supply: 461_000_000, markets: 180 },
    Coin { id: "ripple", symbol: "XRP", name: "XRP", micros: 520_000, supply: 55_500_000_000, markets: 150 },
    Coin { id: "cardano", symbol: "ADA", name: "Cardano", micros: 460_000, supply: 35_700_000_000, markets: 110 },
    Coin { id: "dogecoin", symbol: "DOGE", name: "Dogecoin", micros: 160_000, supply: 144_800_000_000, markets: 120 },
    Coin { id: "basic-attention-token", symbol: "BAT", name: "Basic Attention", micros: 240_000, supply: 1_490_000_000, markets: 60 },
    Coin { id: "waves", symbol: "WAVES", name: "Waves", micros: 2_400_000, supply: 114_000_000, markets: 40 },
];

/// Currencies, with their worth in billionths of a US dollar and how far they go in a second.
const CURRENCIES: &[(&str, i128, i128)] = &[
    ("USD", BILLION, 0),
    ("USDT", 1_000_200_000, 400),
    ("USDC", 999_900_000, 300),
    ("DAI", 999_800_000, 500),
    ("FDUSD", 999_500_000, 500),
    ("EUR", 1_083_000_000, 8_000),
    ("GBP", 1_267_000_000, 9_000),
    ("MXN", 56_800_000, 12_000),
    ("TRY", 31_100_000, 15_000),
    ("BRL", 196_000_000, 12_000),
];

/// How far a coin goes in a second, in billionths; about three percent in a day.
const PACE: i128 = 170_000;

/// A coin by its CoinGecko id.
pub(super) fn coin(id: &str) -> Option<&'static Coin> {
    COINS.iter().find(|coin| coin.id == id)
}

/// A coin by its symbol.
pub(super) fn coin_of(symbol: &str) -> Option<&'static Coin> {
    COINS.iter().find(|coin| coin.symbol == symbol)
}

/// All prices of a seed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Market {
    pub(super) seed: u64,
}

impl Market {
    /// What a coin or a currency is worth at a second since 1970, in US dollars.
    pub(super) fn dollars(self, symbol: &str, second: i64) -> Option<Decimal> {
        let (average, pace) = if let Some(coin) = coin_of(symbol) {
            (Decimal::new(coin.micros, 6).to_scale(12), PACE)
        } else {
            let (_, billionths, pace) = CURRENCIES.iter().find(|(name, ..)| *name == symbol)?;
            (Decimal::new(*billionths, 9).to_scale(12), *pace)
        };
        Some(average.moved(Walk::new(self.seed, symbol, pace).at(second)))
    }

    /// What one of `base` costs in `target`, with 12 digits after the point.
    pub(super) fn price(self, base: &str, target: &str, second: i64) -> Option<Decimal> {
        let (base, target) = (self.dollars(base, second)?, self.dollars(target, second)?);
        Some(base.over(target, 12))
    }

    /// A number between -1 and 1, in billionths, that is drawn for a name and a second.
    pub(super) fn chance(self, name: &str, second: i64) -> i128 {
        let drawn = mix(key(self.seed, name) ^ mix(second.cast_unsigned()));
        i128::from(drawn % 2_000_000_001) - BILLION
    }
}
