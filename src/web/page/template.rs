//! Templates of the pages: HTML files in the program, whose values are escaped unless they are
//! [`Markup`].

use std::sync::LazyLock;

use minijinja::value::{Serde, Value};
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

/// HTML or SVG that is safe as it is: made by `draw` or by another template.
pub(super) type Markup = Value;

/// Text that is markup already. Whoever calls it has escaped what came from outside.
pub(super) fn markup(text: impl Into<String>) -> Markup {
    Value::from_safe_string(text.into())
}

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        /// Name and text of every template.
        pub(super) const TEMPLATES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("templates/", $name)))),*];
    };
}

templates! {
    "about.html",
    "audit.html",
    "backfill.html",
    "connections.html",
    "dag.html",
    "dag_head.html",
    "data.html",
    "failures.html",
    "file.html",
    "frame.html",
    "grid.html",
    "home.html",
    "log.html",
    "once_more.html",
    "past.html",
    "problem.html",
    "run.html",
    "run_tasks.html",
    "runs.html",
    "runs_table.html",
    "schedule.html",
    "sessions.html",
    "sign_in.html",
    "source.html",
    "sure.html",
    "task.html",
    "trigger.html",
}

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, text) in TEMPLATES {
        if let Err(error) = environment.add_template(name, text) {
            // A test parses all of them.
            tracing::error!(%name, %error, "a template of the pages is wrong");
        }
    }
    environment
});

/// A template with its values. One that fails leaves a note in its place, and one in the log.
pub(super) fn render(name: &str, view: &impl Serialize) -> Markup {
    let rendered = ENVIRONMENT
        .get_template(name)
        .and_then(|template| template.render(Serde(view)));
    match rendered {
        Ok(text) => markup(text),
        Err(error) => {
            tracing::error!(%name, %error, "a page can't be rendered");
            markup(
                "<p class=\"note s-bad\">This part of the page can't be shown; the log says why.</p>",
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_one() {
        for (name, text) in TEMPLATES {
            let mut environment = Environment::new();
            let added = environment.add_template(name, text);
            assert!(added.is_ok(), "{name}: {:?}", added.err());
        }
    }

    #[test]
    fn values_are_escaped_and_markup_is_not() {
        let view = minijinja::context! { title => "<b>", body => markup("<i>x</i>") };
        let mut environment = Environment::new();
        let text = "{{ title }} {{ body }}";
        environment.add_template("x.html", text).unwrap();
        let rendered = environment.get_template("x.html").unwrap().render(view);
        assert_eq!(rendered.unwrap(), "&lt;b&gt; <i>x</i>");
    }

    /// What the policy of the pages forbids, and what would let values through.
    #[test]
    fn templates_have_no_inline_script_or_style() {
        for (name, text) in TEMPLATES {
            for forbidden in [
                "style=",
                "<script>",
                " onclick",
                " onload",
                "javascript:",
                "|safe",
            ] {
                assert!(!text.contains(forbidden), "{name} has {forbidden}");
            }
        }
    }
}
