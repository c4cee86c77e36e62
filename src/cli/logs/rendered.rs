//! `runner logs --rendered`: what attempts have executed, as it was sent.

use std::io::Write;

use serde_json::json;

use crate::cli::arguments::Format;
use crate::cli::{look, output};
use crate::operate::log::LogFile;
use crate::task::Rendered;

/// Prints what the attempts behind these logs have executed.
pub fn print(found: &[(&LogFile, Vec<Rendered>)], format: Format) -> anyhow::Result<()> {
    let mut out = output::stdout();
    let mut any = false;
    for (file, all) in found {
        for one in all {
            if format == Format::Json {
                let json = json!({
                    "task": file.task,
                    "item": file.id.item,
                    "attempt": file.attempt,
                    "kind": one.kind,
                    "place": one.place,
                    "text": one.text,
                    "values": one.values,
                });
                writeln!(out, "{json}")?;
            } else {
                if any {
                    writeln!(out)?;
                }
                text(&mut out, file, one)?;
            }
            any = true;
        }
    }
    if !any && format == Format::Text {
        let faint = look::FAINT;
        let nothing = "nothing was kept: it has sent no statement, request or command";
        writeln!(anstream::stderr(), "{faint}{nothing}{faint:#}")?;
    }
    out.flush()?;
    Ok(())
}

fn text(out: &mut dyn Write, file: &LogFile, one: &Rendered) -> std::io::Result<()> {
    let (bold, faint) = (look::BOLD, look::FAINT);
    let item = file
        .id
        .item
        .map_or_else(String::new, |item| format!("[{item}]"));
    let place = match one.kind.as_str() {
        "sql" => format!(", sql on {}", one.place),
        "shell" => format!(", in {}", one.place),
        "note" => String::new(),
        other => format!(", {other}"),
    };
    writeln!(
        out,
        "{bold}{}{item}{bold:#}  {faint}attempt {}{place}{faint:#}",
        file.task, file.attempt
    )?;
    writeln!(out, "{}", one.text.trim_end())?;
    let width = one.values.iter().map(|value| value.name.chars().count());
    let width = width.max().unwrap_or(0);
    for value in &one.values {
        let lines = value.value.replace('\n', "\n    ");
        writeln!(out, "{faint}  {:<width$}{faint:#}  {lines}", value.name)?;
    }
    Ok(())
}
