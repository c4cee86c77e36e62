//! All pipelines, with the environment that the compose file gives the runner.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use chrono::{SecondsFormat, TimeDelta};
use runner::daemon::clock::now;

use super::compose;
use crate::exchange::server::TestExchange;
use crate::pipelines::runs::{project, rows, runner};
use crate::support::kafka::{Broker, cluster, to, values};
use crate::support::postgres::{TestDatabase, database};
use crate::support::s3::S3;

/// Each pipeline as it is run here, in an order in which each finds what it reads: shorter than usual where it would wait.
const RUNS: &[&str] = &[
    "ingest_data",
    "create_materialized_view",
    "monitoring_system --data-interval {interval}",
    "bitcoin_elt_pipeline",
    "crypto_pair_metrics",
    "etl_ticker -p ticks=20 -p period=500ms",
    "daily_batch",
    "market_stream -p ticks=30 -p every=500ms",
    "crypto_metrics -p until=caught_up",
    "crypto_plots -p pairs=[\"BTC-USD\"]",
];

/// Something of each that must be there afterwards: a database and a query that gives true.
const THERE: &[(&str, &str)] = &[
    ("tickers_db", "select count(*) = 300 from luxor_data"),
    ("tickers_db", "select count(*) > 0 from ohlcv_view"),
    // Prices of every full hour since seven days ago: in a day's last hour they span seven dates.
    (
        "crypto_data",
        "select count(*) in (7, 8) from daily_candlestick",
    ),
    ("prices_db", "select count(*) > 0 from crypto_pair_metrics"),
    ("batch", "select count(*) > 0 from target.deposit"),
    ("crypto_data", "select count(*) > 0 from crypto_metrics"),
];

const DATABASES: [&str; 4] = ["tickers_db", "crypto_data", "prices_db", "batch"];

/// `${NAME:-default}` in a value becomes its default: nobody has set anything.
fn with_defaults(value: &str) -> String {
    match value
        .strip_prefix("${")
        .and_then(|rest| rest.split_once(":-"))
    {
        Some((_, default)) => default.strip_suffix('}').expect("an end").to_owned(),
        None => value.to_owned(),
    }
}

/// The runner's environment; servers that the file names are those of the test.
fn environment(servers: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let compose = compose();
    let given = compose["services"]["runner"]["environment"].as_object();
    let mut used = 0;
    let environment = given
        .expect("an environment")
        .iter()
        .map(|(name, value)| {
            let mut value = with_defaults(value.as_str().expect("a text"));
            for (theirs, ours) in servers {
                if let Some(rest) = value.strip_prefix(theirs) {
                    value = format!("{ours}{rest}");
                    used += 1;
                    break;
                }
            }
            (name.clone(), value)
        })
        .collect();
    // Four APIs are one exchange.
    assert_eq!(used, servers.len() + 3, "{servers:?}");
    environment
}

/// What is below a folder, as paths.
fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path)
            } else {
                vec![path.to_string_lossy().into_owned()]
            }
        })
        .collect()
}

#[tokio::test]
async fn all_ten_pipelines_run_with_its_environment() {
    let (broker, s3) = (Broker::new(), S3::start());
    let kafka = broker.acquire().await;
    let exchange = TestExchange::start(&[]);
    let mut databases: BTreeMap<&str, TestDatabase> = BTreeMap::new();
    let folder = project();
    let pgpass = folder.path().join("pgpass");
    std::fs::write(&pgpass, "postgres:5432:*:runner:anything").unwrap();
    std::fs::set_permissions(&pgpass, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut servers = BTreeMap::from([
        ("redpanda:9092".to_owned(), kafka.brokers().to_owned()),
        ("http://s3:8333".to_owned(), s3.url.clone()),
        (
            "http://exchange:9090".to_owned(),
            format!("http://{}", exchange.address),
        ),
        (
            "/credentials/pgpass".to_owned(),
            pgpass.to_str().unwrap().to_owned(),
        ),
    ]);
    for name in DATABASES {
        let database = database().await;
        servers.insert(
            format!("postgresql://runner@postgres/{name}"),
            database.url.clone(),
        );
        databases.insert(name, database);
    }
    let environment = environment(&servers);
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    for sample in std::fs::read_dir(repository.join("samples")).unwrap() {
        let sample = sample.unwrap();
        std::fs::copy(
            sample.path(),
            folder.path().join("samples").join(sample.file_name()),
        )
        .unwrap();
    }
    // The service itself.
    runner(folder.path(), &["check", "--live"], &environment);
    let mut known: Vec<String> = files(&repository.join("pipelines"));
    known.retain(|path| {
        let stem = Path::new(path).file_stem().unwrap().to_str().unwrap();
        !RUNS.iter().any(|run| run.split(' ').next() == Some(stem))
    });
    assert_eq!(known, [""; 0], "not run here");
    // What the exchange says now is in it.
    let (start, end) = (now() - TimeDelta::minutes(4), now() + TimeDelta::minutes(4));
    let interval = [start, end].map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true));
    let interval = interval.join("/");
    for run in RUNS {
        let run = run.replace("{interval}", &interval);
        let words: Vec<&str> = ["trigger"].into_iter().chain(run.split(' ')).collect();
        runner(folder.path(), &words, &environment);
    }
    for (name, query) in THERE {
        let found = rows(&databases[name], query).await;
        assert_eq!(found, [[Some("t".to_owned())]], "{query}");
    }
    let cluster = cluster(&to(kafka.brokers()));
    assert!(!values(&cluster, "tickers_agg_luxor").await.is_empty());
    let keys = s3.keys();
    let stored = |part: &str| {
        keys.iter()
            .any(|key| key.starts_with("runner/") && key.contains(part))
    };
    for part in ["get_ticker/year=", "book=usd_mxn/data.csv"] {
        assert!(stored(part), "{part}: {keys:?}");
    }
    let made = files(&folder.path().join("bucket")).join("\n");
    for part in [
        "crypto_plots/BTC-USD.png",
        "candlestick.svg",
        "batch_output/query8.csv",
    ] {
        assert!(made.contains(part), "{part}: {made}");
    }
    drop(kafka);
}
