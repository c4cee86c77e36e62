//! Many who look at the same.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use runner::daemon::clock::now;
use runner::model::RunId;

use crate::Failure;
use crate::asker::Asker;
use crate::limits::{Limit, Limits};
use crate::past::log_of;

const VIEWERS: u64 = 200;
const WATCHED: Duration = Duration::from_secs(10);
/// Of one core.
const CORE: Limit = Limit {
    most: 100.0,
    unit: "%",
};

/// What all threads but the asker's have worked so far.
fn worked() -> Result<Duration, Failure> {
    let mut ticks = 0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        // A thread may have ended meanwhile.
        let Ok(text) = std::fs::read_to_string(thread?.path().join("stat")) else {
            continue;
        };
        let (name, rest) = text.rsplit_once(')').ok_or("no stat")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        if !name.ends_with("(asker") {
            ticks += fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        }
    }
    Ok(Duration::from_millis(ticks * 10))
}

/// Viewers of a log that grows by twenty lines a second, and of the page of its run.
pub async fn viewers(
    asker: &Asker,
    limits: &mut Limits,
    state: &Path,
    run: &RunId,
) -> Result<(), Failure> {
    let mut log = std::fs::File::create(log_of(state, run)?)?;
    for (name, stream, sees) in [
        ("one log", format!("/live/runs/{run}/tasks/t9/log"), true),
        ("the page of one run", format!("/live/runs/{run}"), false),
        ("the first page", "/live/home".to_owned(), false),
    ] {
        let seen = Arc::new(AtomicU64::new(0));
        let mut watching = Vec::new();
        for _ in 0..VIEWERS {
            let request = asker.client.get(format!("{}{stream}", asker.base));
            let mut answer = request.send().await?.error_for_status()?;
            let seen = seen.clone();
            watching.push(tokio::spawn(async move {
                while let Ok(Some(part)) = answer.chunk().await {
                    seen.fetch_add(part.len() as u64, Ordering::Relaxed);
                }
            }));
        }
        let (began, before) = (Instant::now(), worked()?);
        let (mut number, mut bytes) = (0, 0);
        while began.elapsed() < WATCHED {
            let time = now().format("%Y-%m-%dT%H:%M:%S%.3fZ");
            for _ in 0..5 {
                let line = format!("{time} out   loaded part {number} of what came in\n");
                log.write_all(line.as_bytes())?;
                bytes += line.len() as u64;
                number += 1;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        let share = worked()?.saturating_sub(before).as_secs_f64() / began.elapsed().as_secs_f64();
        let each = seen.load(Ordering::Relaxed) / VIEWERS;
        let name = format!("{VIEWERS} viewers of {name}");
        let more = format!("of one core; each has seen {} kB", each / 1000);
        limits.hold(&name, share * 100.0, CORE, &more)?;
        // A line is longer as a page shows it.
        if sees && each < bytes {
            return Err(format!("{bytes} bytes were written, and {each} seen").into());
        }
        for viewer in watching {
            viewer.abort();
        }
    }
    Ok(())
}
