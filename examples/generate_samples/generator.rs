//! Four CSV snapshots of the shape that `daily_batch` reads: seeded, so that a seed and a scale always give the same bytes.
//!
//! Plain std and no code of the product: the tests include this file to try other seeds, and an oracle
//! that knows neither this file nor the SQL says what the answers are.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// How many rows of each kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) deposits: u64,
    pub(crate) withdrawals: u64,
    /// Users who withdraw; each does so at least once when there are as many withdrawals.
    pub(crate) withdrawers: u64,
    pub(crate) events: u64,
    /// How many of `events` are a `login`.
    pub(crate) logins: u64,
    /// Ids in the `user_id` file. A few more users are found in the other files only.
    pub(crate) users: u64,
    /// Per mille of the rows that are drawn to the three days around `DAY`, so that a small file has something to say about it.
    pub(crate) crowd: u64,
}

impl Scale {
    /// A few thousand rows: what is committed under `samples/`.
    pub(crate) const SMALL: Self = Self {
        deposits: 3_000,
        withdrawals: 2_000,
        withdrawers: 150,
        events: 3_000,
        logins: 900,
        users: 800,
        crowd: 250,
    };

    /// The sizes of the real snapshots.
    pub(crate) const FULL: Self = Self {
        deposits: 1_618_271,
        withdrawals: 5_098,
        withdrawers: 324,
        events: 105_744,
        logins: 28_545,
        users: 25_699,
        crowd: 20,
    };
}

/// Writes the four files into `out`, which is created when it is missing.
pub(crate) fn write(out: &Path, scale: &Scale, seed: u64) -> io::Result<()> {
    fs::create_dir_all(out)?;
    let file = |name: &str| File::create(out.join(format!("{name}_sample_data.csv")));
    // Each file has a stream of numbers of its own: more deposits don't change the events.
    let people = People::draw(&mut Random(seed), scale);
    write_user_ids(file("user_id")?, &people)?;
    write_deposits(file("deposit")?, scale, &people, &mut Random(seed ^ 1))?;
    write_withdrawals(file("withdrawals")?, scale, &people, &mut Random(seed ^ 2))?;
    write_events(file("event")?, scale, &people, &mut Random(seed ^ 3))
}

fn write_user_ids(file: File, people: &People) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    // The blank line after the header is a user that is NULL.
    writeln!(out, "user_id\n")?;
    for user in &people.users[..people.listed] {
        writeln!(out, "{user}")?;
    }
    out.flush()
}

fn write_deposits(
    file: File,
    scale: &Scale,
    people: &People,
    random: &mut Random,
) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, file);
    writeln!(out, "id,event_timestamp,user_id,amount,currency,tx_status")?;
    let without_amount = spread(12, scale.deposits);
    let without_user = spread(2, scale.deposits);
    let mut id = 3_520;
    for (row, moment) in (0..).zip(moments(scale.deposits, scale.crowd, random)) {
        id += 1 + random.below(3);
        let stamp = Zoned::draw(moment, random);
        let user = Optional((!without_user(row)).then(|| people.depositor(random)));
        let amount = Optional((!without_amount(row)).then(|| Amount::draw(random)));
        // Every third deposit is of the currency that is asked for, a few of one that nobody withdraws.
        let currency = match random.below(30) {
            0..10 => "mxn",
            10 => "euro",
            _ => CURRENCIES[random.skewed(CURRENCIES.len())],
        };
        let status = match random.below(50) {
            0 => "pending",
            1..6 => "failed",
            _ => "complete",
        };
        writeln!(out, "{id},{stamp},{user},{amount},{currency},{status}")?;
    }
    out.flush()
}

fn write_withdrawals(
    file: File,
    scale: &Scale,
    people: &People,
    random: &mut Random,
) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    writeln!(
        out,
        "id,event_timestamp,user_id,amount,interface,currency,tx_status"
    )?;
    let mut id = 100;
    for (row, moment) in (0..).zip(moments(scale.withdrawals, scale.crowd, random)) {
        id += 1 + random.below(2);
        let stamp = Zoned::draw(moment, random);
        let user = people.withdrawer(row, scale.withdrawers, random);
        let amount = match row {
            0 => Amount {
                negative: true,
                whole: 10,
                fraction: 0,
                digits: 1,
            },
            1 => Amount {
                negative: false,
                whole: 6_800_000_000_000,
                fraction: 0,
                digits: 1,
            },
            2 => Amount {
                negative: false,
                whole: 6_799_999_999_999,
                fraction: 1,
                digits: 18,
            },
            _ => Amount::draw(random),
        };
        let interface = if random.below(3) == 0 { "app" } else { "web" };
        let currency = match usize::try_from(row) {
            Ok(row) if row < CURRENCIES.len() => CURRENCIES[row],
            _ => CURRENCIES[random.skewed(CURRENCIES.len())],
        };
        let status = if random.below(8) == 0 {
            "failed"
        } else {
            "complete"
        };
        writeln!(
            out,
            "{id},{stamp},{user},{amount},{interface},{currency},{status}"
        )?;
    }
    out.flush()
}

fn write_events(file: File, scale: &Scale, people: &People, random: &mut Random) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    writeln!(out, "id,event_timestamp,user_id,event_name")?;
    let without_user = spread(2, scale.events);
    let mut logins_left = scale.logins;
    let mut before: Option<(i64, &str)> = None;
    for (row, mut moment) in (0..).zip(moments(scale.events, scale.crowd, random)) {
        let mut user = people.visitor(random);
        // Now and then the same user at the same microsecond: a tie for the last login.
        if let Some(before) = before.filter(|_| random.below(40) == 0) {
            (moment, user) = before;
        }
        before = Some((moment, user));
        // As many logins as asked for, wherever they fall.
        let name = if random.below(scale.events - row) < logins_left {
            logins_left -= 1;
            "login"
        } else {
            OTHER_EVENTS[random.skewed(OTHER_EVENTS.len())]
        };
        let user = Optional((!without_user(row)).then_some(user));
        let at = Stamp {
            micros: moment,
            digits: 6,
        };
        writeln!(out, "{},{at},{user},{name}", row + 1)?;
    }
    out.flush()
}

/// The day that the questions ask for by default: 2020-08-20, in days since 1970.
const DAY: i64 = 18_494;
const FIRST_DAY: i64 = 18_262; // 2020-01-01
const DAYS: u64 = 366;
const DAY_MICROS: i64 = 86_400_000_000;

/// `count` moments in microseconds since 1970, nearly in order. The bounds of `DAY` are among them, each at
/// the very midnight and a moment before it.
fn moments(count: u64, crowd: u64, random: &mut Random) -> Vec<i64> {
    let bounds = [DAY * DAY_MICROS, (DAY + 1) * DAY_MICROS];
    let mut moments: Vec<i64> = bounds
        .into_iter()
        .flat_map(|midnight| {
            [
                midnight,
                midnight,
                midnight - 1_000,
                midnight - 1,
                midnight + 1_000,
            ]
        })
        .chain(std::iter::repeat_with(|| {
            let day = if random.below(1_000) < crowd {
                DAY - 1 + random.signed(3)
            } else {
                FIRST_DAY + random.signed(DAYS)
            };
            day * DAY_MICROS + random.signed(DAY_MICROS.unsigned_abs())
        }))
        .take(usize::try_from(count).expect("rows fit into memory"))
        .collect();
    moments.sort_unstable();
    for late in (7..moments.len()).step_by(50) {
        moments.swap(late - 7, late);
    }
    moments
}

/// Whether a row is one of `wanted` that lie evenly within `rows`.
fn spread(wanted: u64, rows: u64) -> impl Fn(u64) -> bool {
    let step = (rows / (wanted + 1)).max(1);
    move |row| row > 0 && row % step == 0 && row / step <= wanted
}

/// Everybody: first those that are listed in `user_id`, then the strangers.
struct People {
    users: Vec<String>,
    listed: usize,
}

impl People {
    fn draw(random: &mut Random, scale: &Scale) -> Self {
        let strangers = scale.users / 40 + 3;
        let users = (0..scale.users + strangers)
            .map(|_| format!("{:016x}{:016x}", random.next(), random.next()))
            .collect();
        let listed = usize::try_from(scale.users).expect("users fit into memory");
        Self { users, listed }
    }

    /// Two thirds of the listed users deposit, some far more often than others; and now and then a stranger.
    fn depositor(&self, random: &mut Random) -> &str {
        if random.below(60) == 0 {
            return self.stranger(random);
        }
        &self.users[random.skewed(self.listed * 2 / 3)]
    }

    /// The last of the listed users, so that some of them never deposit.
    fn withdrawer(&self, row: u64, withdrawers: u64, random: &mut Random) -> &str {
        let who = if row < withdrawers {
            row
        } else {
            random.below(withdrawers)
        };
        let who = usize::try_from(who).expect("users fit into memory");
        &self.users[self.listed - 1 - who * 2 % self.listed]
    }

    fn visitor(&self, random: &mut Random) -> &str {
        match random.below(80) {
            0 => self.stranger(random),
            _ => &self.users[random.skewed(self.listed)],
        }
    }

    fn stranger(&self, random: &mut Random) -> &str {
        let strangers = &self.users[self.listed..];
        &strangers[random.skewed(strangers.len())]
    }
}

/// A moment as a clock of its own offset shows it: `2020-08-20 05:29:59.99+05:30`.
struct Zoned {
    moment: i64,
    digits: u32,
    offset_minutes: i64,
}

impl Zoned {
    fn draw(moment: i64, random: &mut Random) -> Self {
        let digits = [3, 3, 3, 3, 3, 3, 2, 1, 0][random.skewed(9)];
        let offset_minutes = match random.below(24) {
            0 => 120,
            1 => -180,
            2 => 330,
            3 => -570,
            4 => 14 * 60,
            _ => 0,
        };
        Self {
            moment,
            digits,
            offset_minutes,
        }
    }
}

impl fmt::Display for Zoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.moment + self.offset_minutes * 60_000_000;
        let sign = if self.offset_minutes < 0 { '-' } else { '+' };
        let minutes = self.offset_minutes.abs();
        write!(
            f,
            "{}{sign}{:02}",
            Stamp {
                micros,
                digits: self.digits
            },
            minutes / 60
        )?;
        match minutes % 60 {
            0 => Ok(()),
            rest => write!(f, ":{rest:02}"),
        }
    }
}

/// Date and time, cut after `digits` decimals of the second.
struct Stamp {
    micros: i64,
    digits: u32,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.micros.div_euclid(DAY_MICROS));
        let of_day = self.micros.rem_euclid(DAY_MICROS);
        let seconds = of_day / 1_000_000;
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"
        )?;
        if self.digits == 0 {
            return Ok(());
        }
        let fraction = of_day % 1_000_000 / 10_i64.pow(6 - self.digits);
        write!(f, ".{fraction:0width$}", width = self.digits as usize)
    }
}

/// Year, month and day of a day counted from 1970 (Howard Hinnant's `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let day = of_year - (153 * march + 2) / 5 + 1;
    (era * 400 + year + i64::from(month <= 2), month, day)
}

/// A decimal number; more digits than a binary float can hold are common.
struct Amount {
    negative: bool,
    whole: u64,
    fraction: u64,
    digits: u32,
}

impl Amount {
    fn draw(random: &mut Random) -> Self {
        let (negative, most, digits) = match random.below(100) {
            0..45 => (false, 5_000, 1),
            45..65 => (false, 20_000, 2),
            65..80 => (false, 3, 8),
            80..92 => (false, 300, 18),
            92..96 => (false, 6_800_000_000_000, 18),
            96..98 => (true, 10, 2),
            98 => (false, 1, 18),
            _ => (false, 100_000, 0),
        };
        let fraction = match digits {
            1 => 0,
            _ => random.below(10_u64.pow(digits)),
        };
        Self {
            negative,
            whole: random.below(most),
            fraction,
            digits,
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        write!(f, "{sign}{}", self.whole)?;
        match self.digits {
            0 => Ok(()),
            digits => write!(f, ".{:0width$}", self.fraction, width = digits as usize),
        }
    }
}

/// An empty cell when there is nothing: NULL to `COPY`.
struct Optional<T>(Option<T>);

impl<T: fmt::Display> fmt::Display for Optional<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |value| value.fmt(f))
    }
}

/// SplitMix64: small, fast, the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `bound` - 1, even enough for data (the widening multiply of Lemire).
    fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(bound);
        u64::try_from(wide >> 64).expect("the upper half fits")
    }

    fn signed(&mut self, bound: u64) -> i64 {
        i64::try_from(self.below(bound)).expect("bounds are far below 2^63")
    }

    /// An index below `len` that prefers the small ones.
    fn skewed(&mut self, len: usize) -> usize {
        let len = len as u64;
        let index =
            (u128::from(self.below(len)) * u128::from(self.below(len) + 1)) / u128::from(len);
        usize::try_from(index).expect("an index fits")
    }
}

const CURRENCIES: [&str; 40] = [
    "mxn", "btc", "eth", "xrp", "bat", "ltc", "tusd", "mana", "dai", "ars", "usd", "brl", "gnt",
    "bch", "comp", "link", "uni", "aave", "mkr", "snx", "crv", "yfi", "sol", "ada", "dot", "matic",
    "avax", "doge", "shib", "algo", "usdc", "usdt", "grt", "chz", "enj", "axs", "sand", "ldo",
    "cop", "eur",
];

const OTHER_EVENTS: [&str; 15] = [
    "2falogin",
    "login_api",
    "email_verified",
    "level_change_up",
    "level_change_down",
    "cookies_accepted",
    "api_key_created",
    "api_key_deleted",
    "2fa_wrong",
    "2faon",
    "2faoff",
    "account_suspended",
    "account_terminated",
    "country_updated",
    "document_verified",
];
