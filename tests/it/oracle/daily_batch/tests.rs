//! The oracle against answers that were worked out by hand.

use std::fs;

use super::{Params, answers, tables};

const DEPOSITS: &str = "\
id,event_timestamp,user_id,amount,currency,tx_status
1,2020-08-20 00:00:00+00,ann,1000.0,mxn,complete
2,2020-08-20 23:59:59.999+00,ann,,mxn,complete
3,2020-08-21 00:00:00+00,bob,5.0,mxn,complete
4,2020-08-19 20:00:00-04,cid,0.000000000000000001,mxn,failed
5,2020-08-20 05:29:59.9+05:30,dan,7.0,mxn,complete
6,2020-08-20 12:00:00.5+00,,-1.25,mxn,complete
7,2020-08-20 12:00:00.5+00,ann,6800000000000.0,btc,complete
8,2020-08-20 12:00:00.5+00,ann,2,btc,complete
9,2020-08-20 12:00:00.5+00,ann,3,eth,failed
10,2020-01-01 12:00:00.5+00,ann,3,bat,complete
11,2020-01-01 12:00:00.5+00,bob,3,bat,complete
12,2020-01-01 12:00:00.5+00,bob,3,bat,complete
13,2020-01-01 12:00:00.5+00,bob,3,bat,complete
14,2020-01-01 12:00:00.5+00,bob,3,bat,complete
";

const WITHDRAWALS: &str = "\
id,event_timestamp,user_id,amount,interface,currency,tx_status
4,2020-08-20 10:00:00+00,eve,-10.0,web,xrp,complete
5,2020-08-20 10:00:00+00,ann,1.0,app,xrp,failed
6,2020-08-21 00:30:00+01,eve,1.0,app,bat,complete
";

const EVENTS: &str = "\
id,event_timestamp,user_id,event_name
1,2020-08-20 00:00:00.000000,fay,login
2,2020-08-20 23:59:59.999999,fay,login
3,2020-08-20 23:59:59.999999,fay,login
4,2020-08-21 00:00:00.000000,ann,login
5,2020-08-20 09:00:00.000000,gus,2falogin
6,2020-08-20 09:00:00.000000,,login
";

const USERS: &str = "user_id\n\nhal\nann\n";

fn with_samples<T>(run: impl FnOnce(&std::path::Path) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("deposit", DEPOSITS),
        ("withdrawals", WITHDRAWALS),
        ("event", EVENTS),
        ("user_id", USERS),
    ] {
        fs::write(
            folder.path().join(format!("{name}_sample_data.csv")),
            content,
        )
        .unwrap();
    }
    run(folder.path())
}

/// `expected` has the eight answers, rows separated by a blank, without the headers.
fn check(params: &Params<'_>, expected: [&str; 8]) {
    const HEADERS: [&str; 8] = [
        "active_users",
        "user_id",
        "user_id,deposit_count",
        "user_id,last_login",
        "user_id,login_count",
        "unique_currencies_deposited",
        "unique_currencies_withdrew",
        "total_amount_deposited",
    ];
    let answers = with_samples(|samples| answers(samples, params));
    for ((answer, header), rows) in answers.iter().zip(HEADERS).zip(expected) {
        let rows: String = rows
            .split_terminator(' ')
            .map(|row| row.replace('T', " ") + "\n")
            .collect();
        assert_eq!(*answer, format!("{header}\n{rows}"), "{params:?}");
    }
}

#[test]
fn on_the_default_day() {
    check(
        &Params::default(),
        [
            "3", // ann, cid by her offset, eve; neither bob of the next midnight nor dan of the day before
            "eve fay gus hal",
            "ann,6", // bob has 5
            "ann,2020-08-21T00:00:00.000000+00 fay,2020-08-20T23:59:59.999999+00",
            "fay,3",
            "3", // mxn, btc, eth
            "2", // bat by its offset, xrp
            "998.750000000000000001",
        ],
    );
}

#[test]
fn of_one_status_only() {
    check(
        &Params {
            tx_status: "failed",
            ..Params::default()
        },
        [
            "2",
            "bob dan eve fay gus hal",
            "",
            "ann,2020-08-21T00:00:00.000000+00 fay,2020-08-20T23:59:59.999999+00",
            "fay,3",
            "2",
            "1",
            "0.000000000000000001",
        ],
    );
}

#[test]
fn on_another_day_with_deposits_counted_that_day() {
    check(
        &Params {
            day: "2020-01-01",
            from: "2020-08-21",
            to: "2020-08-22",
            currency: "bat",
            count_deposits: "on_day",
            ..Params::default()
        },
        [
            "2",
            "eve fay gus hal",
            "",
            "ann,2020-08-21T00:00:00.000000+00 fay,2020-08-20T23:59:59.999999+00",
            "ann,1",
            "1",
            "0",
            "15",
        ],
    );
}

#[test]
fn a_currency_without_deposits_sums_to_zero() {
    let params = Params {
        currency: "doge",
        ..Params::default()
    };
    let answers = with_samples(|samples| answers(samples, &params));
    assert_eq!(answers[7], "total_amount_deposited\n0\n");
}

#[test]
fn tables_hold_each_row_once() {
    let check = |name: &str, rows: usize, some_row: &str| {
        let tables = with_samples(tables);
        let table = tables.iter().find(|table| table.name == name).expect(name);
        assert_eq!(table.csv.lines().count(), rows, "{name}");
        assert!(
            rows == 0 || table.csv.lines().any(|row| row == some_row),
            "{name}: {}",
            table.csv
        );
    };
    check(
        "deposit",
        14,
        "2,2020-08-20 23:59:59.999000,ann,,mxn,complete",
    );
    check("user_id", 3, "");
    check("target.user", 8, "dan");
    check("target.currency", 5, "xrp");
    check("target.tx_status", 2, "failed");
    check(
        "target.deposit",
        14,
        "4,2020-08-20 00:00:00.000000,cid,0.000000000000000001,mxn,failed,deposit",
    );
    check(
        "target.withdrawal",
        3,
        "4,2020-08-20 10:00:00.000000,eve,-10.0,xrp,complete,web,withdrawal",
    );
    check(
        "target.base_transaction with its children",
        17,
        "6,2020-08-20 23:30:00.000000,eve,1.0,bat,complete,withdrawal",
    );
    check("target.base_transaction itself", 0, "");
    check(
        "target.event",
        1,
        "5,2020-08-20 09:00:00.000000,gus,2falogin",
    );
    check(
        "target.login_event",
        5,
        "6,2020-08-20 09:00:00.000000,,login",
    );
    check(
        "target.base_event with its children",
        6,
        "3,2020-08-20 23:59:59.999999,fay,login",
    );
}

#[test]
fn tables_are_read_in_a_fixed_order() {
    for table in with_samples(tables) {
        let name = table
            .name
            .split(' ')
            .next()
            .unwrap()
            .replace("user", "\"user\"");
        let name = name.replace("\"user\"_id", "user_id");
        assert!(
            table.query.contains(&format!("{name} ORDER BY ")),
            "{}",
            table.query
        );
    }
}
