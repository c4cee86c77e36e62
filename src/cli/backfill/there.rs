//! A backfill that a server carries out: it gives the runs to its daemon, and we look at them.

use std::io::Write as _;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::plan;
use super::progress::Progress;
use crate::cli::arguments::{Backfill, Reprocess};
use crate::cli::attend::Signals;
use crate::cli::{Mistake, exit};
use crate::model::{DataInterval, RunId, RunState, Timestamp};
use crate::operate::backfill::{Due, Plan};
use crate::remote::Server;

/// Between two looks at the runs.
const LOOK: Duration = Duration::from_millis(500);
/// Runs that nobody begins in this time won't begin.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the server tells of the intervals.
#[derive(Debug, Deserialize)]
struct Told {
    total: usize,
    intervals: Vec<ToldInterval>,
}

#[derive(Debug, Deserialize)]
struct ToldInterval {
    start: Timestamp,
    end: Timestamp,
    fate: String,
    run: Option<RunId>,
}

/// Has a server do it, and shows how it goes on.
pub async fn run(server: &Server, command: &Backfill) -> anyhow::Result<u8> {
    let told = ask(server, command, true).await?;
    if told.total > told.intervals.len() {
        let most = told.intervals.len();
        let mistake = format!("through a server there are at most {most} intervals at a time");
        return Err(Mistake::new(mistake).help("name a shorter time").into());
    }
    let plan = told.plan(server)?;
    if command.dry_run {
        plan::show(&plan, &mut anstream::stdout().lock())?;
        return Ok(exit::OK);
    }
    let mut progress = Progress::new(command, &plan);
    if plan.count(|due| matches!(due, Due::Begins | Due::GoesOn)) == 0 {
        progress.nothing()?;
        return Ok(exit::OK);
    }
    let begun = ask(server, command, false).await?;
    progress.head()?;
    let runs = begun.intervals.into_iter().filter_map(|one| one.run);
    watch(server, command, runs.collect(), &mut progress).await?;
    progress.end()
}

/// Looks at the runs until all have ended.
async fn watch(
    server: &Server,
    command: &Backfill,
    mut runs: Vec<RunId>,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let mut seen = Instant::now();
    while !runs.is_empty() {
        // They begin in their order, so many at a time.
        let window: Vec<RunId> = runs
            .iter()
            .take(usize::from(command.parallel))
            .cloned()
            .collect();
        for id in &window {
            let known = match server.run(id).await {
                Ok((known, _)) => known,
                Err(refusal) if refusal.is_missing() => continue,
                Err(refusal) => return Err(refusal.into()),
            };
            seen = Instant::now();
            if known.run.state.is_finished() {
                progress.ended(&known.run)?;
                runs.retain(|run| run != id);
            } else if known.interrupted {
                let mistake = "the daemon has ended; what it has begun goes on at its next start";
                return Err(Mistake::new(mistake)
                    .help("the same command again goes on with the rest")
                    .into());
            }
        }
        if runs.is_empty() {
            break;
        }
        if seen.elapsed() > PATIENCE {
            anyhow::bail!("the server begins no more of them: its log tells why");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = signals.interrupted() => {
                writeln!(
                    anstream::stderr(),
                    "no longer watching: the server goes on with the backfill"
                )?;
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn ask(server: &Server, command: &Backfill, dry_run: bool) -> anyhow::Result<Told> {
    let params = command.param.iter();
    let params = params.map(|(name, value)| (name.clone(), Json::from(value.as_str())));
    let params: Map<String, Json> = params.collect();
    let reprocess = match command.reprocess {
        Reprocess::Missing => "missing",
        Reprocess::Failed => "failed",
        Reprocess::All => "all",
    };
    let body = json!({
        "from": command.from,
        "to": command.to,
        "every": command.every.map(|every| format!("{}ms", every.as_millis())),
        "parallel": command.parallel,
        "reprocess": reprocess,
        "params": params,
        "dry_run": dry_run,
    });
    let parts = ["dags", command.dag.as_str(), "backfills"];
    let answer = server.send("POST", &parts, &body, None).await?;
    Ok(server.read(&answer.json)?)
}

impl Told {
    /// The intervals, as if they had been found out here.
    fn plan(&self, server: &Server) -> anyhow::Result<Plan> {
        let mut due = Vec::with_capacity(self.intervals.len());
        for one in &self.intervals {
            let interval = DataInterval {
                start: one.start,
                end: one.end,
            };
            let fate = match one.fate.as_str() {
                "begins" => Due::Begins,
                "goes_on" => Due::GoesOn,
                "running" => Due::IsOn,
                state => Due::Has(server.read::<RunState>(&Json::from(state))?),
            };
            due.push((interval, fate));
        }
        Ok(Plan {
            due,
            interrupted: Vec::new(),
        })
    }
}
