//! A run that a person begins: a form made from the DAG's parameters.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::dag::{Asked as Dag, Tab, head, rules};
use super::frame::{Page, Place, Trouble, Visitor};
use super::template::{Markup, render};
use crate::daemon::schedule::DaemonLock;
use crate::operate::start::{Wanted, hand_over, no_secrets, run_spec};
use crate::operate::{Mistake, find};
use crate::spec::{Param, ParamType, Pipeline};
use crate::web::App;
use crate::web::guard::Detail;
use crate::web::route::{Needs, Route};

pub(super) const FORM: Route = Route::get("/dags/{dag}/trigger", Needs::Run, || get(form));
pub(super) const BEGIN: Route = Route::post("/dags/{dag}/trigger", Needs::Run, || post(begin));

/// What stands before the names of parameters, so that no parameter is taken for another field.
const PREFIX: &str = "param.";

#[derive(Deserialize)]
struct Asked {
    /// A run whose values are put in.
    like: Option<String>,
}

#[derive(Serialize)]
struct View<'a> {
    head: Markup,
    id: String,
    csrf: &'a str,
    fields: Vec<Field>,
    interval: String,
    problems: Vec<String>,
    nobody: bool,
}

/// A parameter as a field of the form.
#[derive(Serialize)]
pub(super) struct Field {
    name: String,
    about: String,
    rules: String,
    value: String,
    /// `select`, `number`, `date`, `text` or `area`.
    input: &'static str,
    choices: Vec<String>,
    minimum: Option<f64>,
    maximum: Option<f64>,
    step: &'static str,
    required: bool,
    wrong: Option<String>,
}

fn field(param: &Param, value: Option<&str>, problems: &[String]) -> Field {
    let text = |value: &Json| {
        let text = value.as_str().map(str::to_owned);
        text.unwrap_or_else(|| value.to_string())
    };
    let kind = param.rules.kind;
    let choices: Vec<String> = match (&param.rules.choices, kind) {
        (Some(choices), _) => choices.iter().map(text).collect(),
        (None, Some(ParamType::Boolean)) => vec!["true".to_owned(), "false".to_owned()],
        _ => Vec::new(),
    };
    let input = match kind {
        _ if !choices.is_empty() => "select",
        _ if param.rules.nullable => "text",
        Some(ParamType::Number | ParamType::Integer) => "number",
        Some(ParamType::Date) => "date",
        Some(ParamType::Array | ParamType::Object) => "area",
        _ => "text",
    };
    let mine = format!("parameter `{}`: ", param.name);
    let mut reasons = problems.iter().filter_map(|one| one.strip_prefix(&mine));
    Field {
        name: format!("{PREFIX}{}", param.name),
        about: param.description.clone().unwrap_or_default(),
        rules: rules(param),
        value: value.map_or_else(
            || param.default.as_ref().map(text).unwrap_or_default(),
            str::to_owned,
        ),
        input,
        choices,
        minimum: param.rules.minimum,
        maximum: param.rules.maximum,
        step: if kind == Some(ParamType::Integer) {
            "1"
        } else {
            "any"
        },
        required: param.default.is_none(),
        wrong: reasons
            .next()
            .map(|reason| match reason.split_once(": give `-p") {
                Some((reason, _)) => reason.to_owned(),
                None => reason.to_owned(),
            }),
    }
}

/// The form's fields, with what was typed.
fn fields(pipeline: &Pipeline, typed: &[(String, String)], problems: &[String]) -> Vec<Field> {
    let typed_of = |param: &Param| {
        let mut own = typed.iter().filter(|(name, _)| *name == param.name);
        own.next_back().map(|(_, value)| value.as_str())
    };
    let params = pipeline.params.iter();
    params
        .map(|param| field(param, typed_of(param), problems))
        .collect()
}

async fn form(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(dag): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let known = Dag::read(&app, &dag).await?;
    let typed = match &asked.like {
        Some(run) => super::run::params(&find::run_of_id(app.store.as_ref(), run).await?),
        None => Vec::new(),
    };
    show(&app, &visitor, &known, &typed, ("", &[]))
}

fn show(
    app: &App,
    visitor: &Visitor,
    known: &Dag,
    typed: &[(String, String)],
    (interval, problems): (&str, &[String]),
) -> Result<Response, Trouble> {
    let pipeline = known.require()?;
    let mine = |problem: &&String| {
        let params = pipeline.params.iter();
        let mut names = params.map(|param| format!("parameter `{}`: ", param.name));
        !names.any(|name| problem.starts_with(&name))
    };
    let view = View {
        head: head(app, known, visitor, Tab::Trigger),
        id: known.id.to_string(),
        csrf: &visitor.csrf,
        fields: fields(pipeline, typed, problems),
        interval: interval.to_owned(),
        problems: problems.iter().filter(mine).cloned().collect(),
        nobody: DaemonLock::holder(&app.places.state).is_none(),
    };
    let title = format!("Run {}", known.id);
    let page = Page {
        title: &title,
        place: Place::Dags,
        live: None,
        body: render("trigger.html", &view),
    };
    Ok(page.show(app, visitor))
}

async fn begin(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(dag): Path<String>,
    Form(form): Form<Vec<(String, String)>>,
) -> Result<Response, Trouble> {
    let known = Dag::read(&app, &dag).await?;
    let pipeline = known.require()?;
    let typed = typed(&form);
    let interval = form.iter().find(|(name, _)| name == "interval");
    let interval = interval.map_or("", |(_, text)| text.trim());
    let wrong = |problems: Vec<String>| -> Result<Response, Trouble> {
        let page = show(&app, &visitor, &known, &typed, (interval, &problems))?;
        Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
    };
    let params = match pipeline.params.bind(&given(pipeline, &typed)) {
        Ok(params) => params,
        Err(problems) => return wrong(problems),
    };
    if let Some(project) = &app.snapshot().project
        && let Err(mistake) = no_secrets(project, &params)
    {
        return wrong(vec![told(&mistake)]);
    }
    let wanted = Wanted {
        params,
        interval: (!interval.is_empty()).then_some(interval),
        ..Wanted::default()
    };
    let spec = match run_spec(pipeline, wanted, known.now) {
        Ok(spec) => spec,
        Err(mistake) => return wrong(vec![told(&mistake)]),
    };
    let state = &app.places.state;
    let daemon = DaemonLock::holder(state).ok_or_else(Mistake::nobody)?;
    hand_over(state, app.store.as_ref(), pipeline, &spec, &daemon).await?;
    let mut response = Redirect::to(&format!("/runs/{}", spec.id)).into_response();
    let detail = Detail(format!("run {}", spec.id));
    response.extensions_mut().insert(detail);
    Ok(response)
}

/// A mistake with how to mend it.
pub(super) fn told(mistake: &Mistake) -> String {
    match mistake.advice() {
        Some(advice) => format!("{mistake}: {advice}"),
        None => mistake.to_string(),
    }
}

/// The parameters of a form, by their own names.
fn typed(form: &[(String, String)]) -> Vec<(String, String)> {
    let own = form.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix(PREFIX)?;
        // Browsers send lines as CR LF.
        Some((name.to_owned(), value.replace("\r\n", "\n")))
    });
    own.collect()
}

/// What was really given: an empty field of what isn't a text is left out.
fn given(pipeline: &Pipeline, typed: &[(String, String)]) -> Vec<(String, String)> {
    let is_text = |name: &str| {
        let param = pipeline.params.iter().find(|param| param.name == name);
        param.is_some_and(|param| matches!(&param.default, Some(Json::String(_))))
    };
    let kept = typed.iter();
    kept.filter(|(name, value)| !value.is_empty() || is_text(name))
        .cloned()
        .collect()
}
