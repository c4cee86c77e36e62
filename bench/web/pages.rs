//! Every page, and a log that is long.

use std::io::Write as _;
use std::path::Path;

use runner::daemon::clock::now;
use runner::model::RunId;

use crate::Failure;
use crate::asker::{Asker, Took};
use crate::limits::{Limit, Limits, milliseconds, say};
use crate::past::log_of;

const PAGE: Limit = Limit {
    most: 20.0,
    unit: "ms",
};
const LOAD: Limit = Limit {
    most: 100.0,
    unit: "ms",
};
const ASSETS: Limit = Limit {
    most: 300.0,
    unit: "kB",
};
/// A person waits that long without a thought.
const SEARCH: Limit = Limit {
    most: 1000.0,
    unit: "ms",
};
const LOG: usize = 100 << 20;

fn kilobytes(bytes: usize) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "what is printed has a few digits"
    )]
    let bytes = bytes as f64;
    bytes / 1000.0
}

fn row(limits: &mut Limits, name: &str, took: Took, limit: Limit) -> Result<(), Failure> {
    let (middle, size) = (milliseconds(took.middle), kilobytes(took.bytes));
    let more = format!("middle {middle:.1} ms, {size:.0} kB");
    limits.hold(name, milliseconds(took.least), limit, &more)
}

/// Every page by itself. The run has ended; the other one goes on.
pub async fn pages(
    asker: &Asker,
    limits: &mut Limits,
    runs: [&RunId; 2],
    past: u32,
) -> Result<(), Failure> {
    let [run, other] = runs;
    // One run began in each second.
    let between = now() - chrono::TimeDelta::seconds(i64::from(past / 2));
    let between = RunId::generate(between, 0);
    for path in [
        "/".to_owned(),
        "/?show=failed".to_owned(),
        "/?q=dag1".to_owned(),
        "/runs".to_owned(),
        "/runs?state=failed".to_owned(),
        "/runs?state=cancelled".to_owned(),
        "/runs?q=dag07&state=success".to_owned(),
        format!("/runs?before={run}"),
        format!("/runs?before={between}"),
        "/runs?q=zzzz".to_owned(),
        format!("/runs?q={}", &run.as_str()[..5]),
        format!("/runs/{run}"),
        format!("/runs/{other}"),
        format!("/runs/{run}/tasks/t9"),
        "/dags/dag07".to_owned(),
        "/dags/dag07/grid".to_owned(),
        "/dags/dag07/past".to_owned(),
        "/dags/dag07/source".to_owned(),
        "/dags/dag07/trigger".to_owned(),
        "/dags/dag07/backfill".to_owned(),
        "/schedule".to_owned(),
        "/connections".to_owned(),
        "/audit".to_owned(),
        "/about".to_owned(),
        "/api/v1/dags".to_owned(),
        "/api/v1/runs".to_owned(),
        format!("/api/v1/runs/{run}"),
        "/metrics".to_owned(),
    ] {
        let name = path.replace(run.as_str(), "ENDED");
        let name = name.replace(other.as_str(), "GOES-ON");
        let name = name.replace(between.as_str(), "BETWEEN");
        let took = asker.time(&[path]).await?;
        row(limits, &name, took, PAGE)?;
    }
    Ok(())
}

/// Pages with all that they ask for.
pub async fn loads(asker: &Asker, limits: &mut Limits) -> Result<(), Failure> {
    for path in ["/", "/runs", "/dags/dag07"] {
        let body = asker.get(path).await?;
        let parts = body.split(['"', '\'']);
        let mut assets: Vec<String> = parts
            .filter(|part| part.starts_with("/asset/"))
            .map(str::to_owned)
            .collect();
        assets.sort_unstable();
        assets.dedup();
        let of_assets = asker.time(&assets).await?;
        let name = format!("{path}: {} files", assets.len());
        limits.hold(&name, kilobytes(of_assets.bytes), ASSETS, "")?;
        assets.insert(0, path.to_owned());
        let took = asker.time(&assets).await?;
        row(limits, &format!("{path} with its files"), took, LOAD)?;
    }
    Ok(())
}

pub async fn long_log(
    asker: &Asker,
    limits: &mut Limits,
    state: &Path,
    run: &RunId,
) -> Result<(), Failure> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(log_of(state, run)?)?);
    let (mut bytes, mut number) = (0, 0);
    while bytes < LOG {
        let line = format!("2026-08-21T00:00:00.000Z out   loaded part {number} of what came in\n");
        file.write_all(line.as_bytes())?;
        bytes += line.len();
        number += 1;
    }
    file.flush()?;
    drop(file);
    say(&format!("\na log of {} MB", bytes >> 20))?;
    let page = format!("/runs/{run}/tasks/t9");
    for (name, path, limit) in [
        ("its end", page.clone(), PAGE),
        ("its beginning", format!("{page}?at=0"), PAGE),
        ("its middle", format!("{page}?at={}", bytes / 2), PAGE),
        (
            "its last line, searched for",
            format!("{page}?find=part%20{}%20", number - 1),
            SEARCH,
        ),
    ] {
        row(limits, name, asker.time(&[path]).await?, limit)?;
    }
    Ok(())
}
