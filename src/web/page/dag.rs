//! A DAG: what it is, its tasks as a graph, when it runs next, its parameters.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

use super::editor;
use super::frame::{Page, Place, Sure, Trouble, Visitor};
use super::home::Choice;
use super::tasks_of::tasks_of;
use super::template::{Markup, markup, render};
use super::view::{self, When};
use crate::daemon::schedule::look;
use crate::document::units::format_duration;
use crate::model::{DagId, RunState, Schedule, TaskIndex, Timestamp, TriggerRule};
use crate::operate::find::look_at;
use crate::operate::tone::Tone;
use crate::operate::why::{awaited, starts};
use crate::spec::{Foreach, Param, Pipeline};
use crate::store::{RunFilter, RunRow, StoreError};
use crate::task::Guarantee;
use crate::web::App;
use crate::web::draw::{MOST, Node, graph};
use crate::web::route::{Needs, Route};

pub(super) const DAG: Route = Route::get("/dags/{dag}", Needs::Read, || get(dag));

/// Runs to come that are listed.
const NEXT: usize = 6;
/// Latest runs that are listed.
const LATEST: u32 = 8;

/// A DAG that was asked for.
pub(super) struct Asked {
    pub(super) id: DagId,
    /// As its file is now; `None`: it is broken, or gone, and has only its past.
    pub(super) pipeline: Option<Arc<Pipeline>>,
    pub(super) paused: bool,
    pub(super) now: Timestamp,
}

impl Asked {
    pub(super) async fn read(app: &App, dag: &str) -> Result<Self, Trouble> {
        let missing = || Trouble::Missing(format!("There is no DAG {dag}."));
        let id = DagId::new(dag).map_err(|_| missing())?;
        let snapshot = app.snapshot();
        let project = snapshot.project.as_ref();
        let pipeline = project.and_then(|project| project.pipelines.get(&id).cloned());
        let broken = snapshot.broken.iter();
        let broken = broken.filter_map(|(_, dag)| dag.as_deref());
        let known = pipeline.is_some() || broken.into_iter().any(|name| name == dag);
        if !known && latest(app, &id, 1).await?.is_empty() {
            return Err(missing());
        }
        let rows = app.store.schedules().await?;
        Ok(Self {
            paused: rows.iter().any(|row| row.dag == id && row.paused),
            id,
            pipeline,
            now: app.now(),
        })
    }
}

impl Asked {
    /// Its file within the project, also when it has mistakes.
    fn path(&self, app: &App) -> Option<String> {
        if let Some(pipeline) = &self.pipeline {
            return Some(pipeline.path.display().to_string());
        }
        let snapshot = app.snapshot();
        let mut broken = snapshot.broken.iter();
        let own = broken.find(|(_, dag)| dag.as_deref() == Some(self.id.as_str()));
        own.map(|(path, _)| path.display().to_string())
    }

    /// The DAG as its file is, which must be without mistakes.
    pub(super) fn require(&self) -> Result<&Arc<Pipeline>, Trouble> {
        let broken = || Trouble::Conflict(format!("{} is broken, or gone.", self.id));
        self.pipeline.as_ref().ok_or_else(broken)
    }
}

/// The latest runs of a DAG, newest first.
pub(super) async fn latest(app: &App, dag: &DagId, limit: u32) -> Result<Vec<RunRow>, StoreError> {
    let filter = RunFilter {
        dag: Some(dag.clone()),
        limit,
        ..RunFilter::default()
    };
    app.store.runs(&filter).await
}

/// The views of a DAG, each a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Overview,
    Grid,
    Past,
    Source,
    Trigger,
    Backfill,
}

const TABS: [(Tab, &str, &str); 4] = [
    (Tab::Overview, "Overview", ""),
    (Tab::Grid, "Grid", "/grid"),
    (Tab::Past, "Past", "/past"),
    (Tab::Source, "Source", "/source"),
];

#[derive(Serialize)]
struct Head<'a> {
    id: &'a str,
    about: String,
    tags: Vec<String>,
    owner: Option<String>,
    starts: String,
    paused: bool,
    may_run: bool,
    can_pause: bool,
    is_broken: bool,
    csrf: &'a str,
    /// A question, before it is paused.
    pause: Option<Markup>,
    file: Option<Markup>,
    tabs: Vec<Choice>,
}

/// What all pages of a DAG begin with.
pub(super) fn head(app: &App, asked: &Asked, visitor: &Visitor, tab: Tab) -> Markup {
    let pipeline = asked.pipeline.as_ref();
    let can_pause = pipeline.is_some_and(|one| one.begins_by_itself());
    let path = asked.path(app);
    let view = Head {
        id: asked.id.as_str(),
        about: pipeline
            .and_then(|one| one.description.clone())
            .unwrap_or_default(),
        tags: pipeline.map(|one| one.tags.clone()).unwrap_or_default(),
        owner: pipeline.and_then(|one| one.owner.clone()),
        starts: pipeline.map_or_else(String::new, |one| starts(one)),
        paused: asked.paused,
        may_run: visitor.may_run,
        can_pause,
        pause: (can_pause && visitor.may_run && !asked.paused).then(|| pause(asked, visitor)),
        file: path.map(|path| {
            let source = format!("/dags/{}/source", asked.id);
            editor::show(&editor::link(app, &path, 1), source, visitor.may_run)
        }),
        is_broken: pipeline.is_none(),
        csrf: &visitor.csrf,
        tabs: TABS
            .iter()
            .map(|(own, name, path)| Choice {
                name: (*name).to_owned(),
                link: format!("/dags/{}{path}", asked.id),
                on: *own == tab,
            })
            .collect(),
    };
    render("dag_head.html", &view)
}

fn pause(asked: &Asked, visitor: &Visitor) -> Markup {
    Sure {
        label: "Pause",
        question: "Nothing begins it by itself until it is let go on. Runs that have begun go on."
            .to_owned(),
        action: format!("/dags/{}/pause", asked.id),
        csrf: &visitor.csrf,
        class: "main",
        fields: Vec::new(),
        left: false,
    }
    .show()
}

#[derive(Serialize)]
struct View {
    head: Markup,
    graph: Option<Markup>,
    too_large: bool,
    tasks: usize,
    next: Vec<When>,
    waits: Option<String>,
    runs: Markup,
    facts: Vec<(&'static str, String)>,
    params: Vec<ParamView>,
    at_least_once: Vec<(String, String)>,
    failures: Markup,
    is_broken: bool,
    begins: Vec<Way>,
    then: Vec<String>,
    writes: Vec<Written>,
    slow: Option<String>,
}

/// Something that begins it.
#[derive(Serialize)]
struct Way {
    kind: &'static str,
    words: String,
    /// The DAG that it is.
    dag: Option<String>,
}

/// A dataset that it writes, and who waits for it.
#[derive(Serialize)]
struct Written {
    name: String,
    readers: Vec<String>,
}

#[derive(Serialize)]
struct ParamView {
    name: String,
    value: String,
    rules: String,
    about: String,
}

async fn dag(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(dag): Path<String>,
) -> Result<Response, Trouble> {
    let asked = Asked::read(&app, &dag).await?;
    let pipeline = asked.pipeline.as_deref();
    let runs = latest(&app, &asked.id, LATEST).await?;
    let tones = match runs.first() {
        Some(run) => tones(&app, run).await?,
        None => BTreeMap::new(),
    };
    let (next, waits) = match &asked.pipeline {
        Some(pipeline) => next(&app, pipeline, asked.now).await?,
        None => (Vec::new(), None),
    };
    let view = View {
        head: head(&app, &asked, &visitor, Tab::Overview),
        graph: pipeline.and_then(|one| drawn(one, &tones, runs.first())),
        too_large: pipeline.is_some_and(|one| one.tasks.len() > MOST),
        tasks: pipeline.map_or(0, |one| one.tasks.len()),
        next,
        waits,
        runs: super::runs::table(&app, runs, asked.now, false, "It hasn't run yet.").await?,
        facts: pipeline.map(facts).unwrap_or_default(),
        params: pipeline
            .map(|one| one.params.iter().map(param).collect())
            .unwrap_or_default(),
        at_least_once: pipeline.map(at_least_once).unwrap_or_default(),
        failures: super::home::failures(&app, Some(&asked.id), 3, asked.now).await?,
        is_broken: pipeline.is_none(),
        begins: pipeline.map(begins).unwrap_or_default(),
        then: pipeline.map(|one| then(&app, one)).unwrap_or_default(),
        writes: pipeline.map(|one| writes(&app, one)).unwrap_or_default(),
        slow: super::past::slowest(&app, &asked.id).await?,
    };
    let page = Page {
        title: asked.id.as_str(),
        place: Place::Dags,
        live: Some("/live/home".to_owned()),
        body: render("dag.html", &view),
    };
    Ok(page.show(&app, &visitor))
}

/// How the tasks of a run stand, by name.
async fn tones(app: &App, run: &RunRow) -> Result<BTreeMap<String, Tone>, Trouble> {
    let store = app.store.as_ref();
    let (run, interrupted) = look_at(&app.places.state, store, run.clone()).await?;
    let Some(names) = tasks_of(app, &run).await? else {
        return Ok(BTreeMap::new());
    };
    let mut tones: BTreeMap<String, Tone> = names
        .iter()
        .map(|name| (name.clone(), Tone::Waiting))
        .collect();
    for row in store.task_runs(&run.id).await? {
        if row.id.item.is_none()
            && let Some(name) = names.get(row.id.task.get())
        {
            tones.insert(name.clone(), Tone::of_task(&row.state, interrupted));
        }
    }
    Ok(tones)
}

/// The graph as the file has it, with the states of the latest run.
fn drawn(
    pipeline: &Pipeline,
    tones: &BTreeMap<String, Tone>,
    run: Option<&RunRow>,
) -> Option<Markup> {
    if pipeline.tasks.len() > MOST || pipeline.tasks.is_empty() {
        return None;
    }
    let tasks = (0..).map(TaskIndex).zip(&pipeline.tasks);
    let nodes: Vec<Node> = tasks
        .map(|(at, spec)| {
            let shape = pipeline.dag.task(at);
            let mut note = vec![spec.kind.to_owned()];
            if let Some(Foreach::Dataset(from)) = &spec.foreach {
                note.push(format!("for each of {from}"));
            } else if spec.foreach.is_some() {
                note.push("for each".to_owned());
            }
            if shape.rule != TriggerRule::default() {
                let mut rules = TriggerRule::ALL.iter();
                let rule = rules.find(|(_, rule)| *rule == shape.rule);
                note.extend(rule.map(|(word, _)| format!("when {word}")));
            }
            Node {
                name: spec.id.to_string(),
                note: note.join(" · "),
                needs: shape.needs.iter().map(|need| need.get()).collect(),
                tone: tones.get(spec.id.as_str()).copied(),
                link: match run {
                    Some(run) if tones.contains_key(spec.id.as_str()) => {
                        format!("/runs/{}/tasks/{}", run.id, spec.id)
                    }
                    _ => format!("/dags/{}/source", pipeline.id),
                },
                items: spec.foreach.is_some().then(Vec::new),
            }
        })
        .collect();
    Some(markup(graph(
        &nodes,
        &format!("the tasks of {}", pipeline.id),
    )))
}

async fn next(
    app: &App,
    pipeline: &Arc<Pipeline>,
    now: Timestamp,
) -> Result<(Vec<When>, Option<String>), StoreError> {
    let one = BTreeMap::from([(pipeline.id.clone(), pipeline.clone())]);
    let looked = look(Some(app.store.as_ref()), &one, now).await?;
    let upcoming = looked.planner.upcoming(&pipeline.id, None);
    let next: Vec<When> = upcoming
        .take(NEXT)
        .map(|(start, _)| view::ahead(start, now))
        .collect();
    let waits = next.is_empty().then(|| match &pipeline.schedule {
        Some(Schedule::Always) => "It is a stream: it runs as long as a scheduler does.".to_owned(),
        Some(_) => "Its schedule has no tick any more.".to_owned(),
        None if !pipeline.begins_by_itself() => "Nothing starts it by itself.".to_owned(),
        None => match awaited(pipeline) {
            Some(words) if pipeline.after.is_empty() => format!("It waits for {words}."),
            _ => format!("It runs {}.", starts(pipeline)),
        },
    });
    Ok((next, waits))
}

/// What begins it, each way by itself.
fn begins(pipeline: &Pipeline) -> Vec<Way> {
    let clock = pipeline.schedule.iter().map(|schedule| Way {
        kind: "schedule",
        words: schedule.describe(),
        dag: None,
    });
    let after = &pipeline.after;
    let dags = after.dags.iter().map(|dag| Way {
        kind: "after",
        words: dag.to_string(),
        dag: Some(dag.to_string()),
    });
    let datasets = after.datasets.iter().map(|dataset| Way {
        kind: "dataset",
        words: dataset.to_string(),
        dag: None,
    });
    let triggers = pipeline.triggers.iter().map(|trigger| Way {
        kind: trigger.kind,
        words: trigger.trigger.awaited(),
        dag: None,
    });
    clock.chain(dags).chain(datasets).chain(triggers).collect()
}

/// The DAGs that begin when it has succeeded.
fn then(app: &App, pipeline: &Pipeline) -> Vec<String> {
    let snapshot = app.snapshot();
    let all = snapshot
        .project
        .iter()
        .flat_map(|one| one.pipelines.values());
    all.filter(|other| other.after.dags.contains(&pipeline.id))
        .map(|other| other.id.to_string())
        .collect()
}

/// The datasets that its tasks write.
fn writes(app: &App, pipeline: &Pipeline) -> Vec<Written> {
    let snapshot = app.snapshot();
    let all = || {
        snapshot
            .project
            .iter()
            .flat_map(|one| one.pipelines.values())
    };
    let written: std::collections::BTreeSet<_> = pipeline
        .tasks
        .iter()
        .flat_map(|task| &task.writes)
        .collect();
    let of = |dataset: &crate::model::DatasetId| Written {
        name: dataset.to_string(),
        readers: all()
            .filter(|other| other.after.datasets.contains(dataset))
            .map(|other| other.id.to_string())
            .collect(),
    };
    written.into_iter().map(of).collect()
}

fn facts(pipeline: &Pipeline) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    facts.push(("version", pipeline.version.hash.chars().take(10).collect()));
    facts.extend(
        pipeline
            .deadline
            .map(|one| ("deadline", format_duration(one))),
    );
    facts.extend(
        pipeline
            .max_runs
            .map(|most| ("runs", format!("at most {most} at a time"))),
    );
    let tasks = pipeline.dag.max_active_tasks;
    facts.extend(tasks.map(|most| ("tasks", format!("at most {most} at a time"))));
    facts
}

fn param(param: &Param) -> ParamView {
    ParamView {
        name: param.name.clone(),
        value: match &param.default {
            None => "must be given".to_owned(),
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        },
        rules: rules(param),
        about: param.description.clone().unwrap_or_default(),
    }
}

/// What a value of a parameter must be, in words.
pub(super) fn rules(param: &Param) -> String {
    let rules = &param.rules;
    let mut words = Vec::new();
    if let Some(choices) = &rules.choices {
        let text = |choice: &serde_json::Value| {
            let text = choice.as_str().map(str::to_owned);
            text.unwrap_or_else(|| choice.to_string())
        };
        words.push(choices.iter().map(text).collect::<Vec<_>>().join(" | "));
    } else if let Some(kind) = rules.kind {
        words.push(kind.word().to_owned());
    }
    words.extend(rules.minimum.map(|least| format!("at least {least}")));
    words.extend(rules.maximum.map(|most| format!("at most {most}")));
    words.join(", ")
}

/// The tasks that a crash may make happen twice, and why.
fn at_least_once(pipeline: &Pipeline) -> Vec<(String, String)> {
    let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for task in &pipeline.tasks {
        if let Guarantee::AtLeastOnce { reason } = task.action.guarantee() {
            reasons.entry(reason).or_default().push(task.id.as_str());
        }
    }
    let told = reasons.into_iter();
    told.map(|(reason, tasks)| (tasks.join(", "), reason))
        .collect()
}

/// Whether a run has ended, well or not.
pub(super) fn has_ended(run: &RunRow) -> bool {
    matches!(run.state, RunState::Success | RunState::Failed)
}
