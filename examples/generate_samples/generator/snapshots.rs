//! The four files, row by row.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::random::Random;
use super::values::{Amount, DAY_MICROS, Optional, Stamp, Zoned};

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
    let mut logins_left = scale.logins;
    let mut before: Option<(i64, &str)> = None;
    for (row, mut moment) in (0..).zip(moments(scale.events, scale.crowd, random)) {
        let mut user = people.visitor(random);
        // Now and then the same user at the same microsecond: a tie for the last login.
        if let Some(before) = before.filter(|_| random.below(40) == 0) {
            (moment, user) = before;
        }
        before = Some((moment, user));
        // As many logins as asked for, wherever they fall; one of them is nobody's.
        let is_login = random.below(scale.events - row) < logins_left;
        let name = if is_login {
            logins_left -= 1;
            "login"
        } else {
            OTHER_EVENTS[random.skewed(OTHER_EVENTS.len())]
        };
        let nobody = is_login && logins_left == scale.logins / 2;
        let user = Optional((!nobody).then_some(user));
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

    /// Two thirds of the listed users deposit: two of them all the time, the others some more often than others;
    /// and now and then a stranger.
    fn depositor(&self, random: &mut Random) -> &str {
        match random.below(60) {
            0 => self.stranger(random),
            1..5 => &self.users[random.skewed(2)],
            _ => &self.users[random.skewed(self.listed * 2 / 3)],
        }
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
