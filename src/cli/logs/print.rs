//! A line of a log as it is printed.

use std::io::Write as _;

use serde_json::json;

use super::read::Line;
use crate::cli::arguments::Format;
use crate::cli::{look, moment};

/// Prints lines.
pub struct Printer {
    pub out: std::io::BufWriter<anstream::AutoStream<std::io::StdoutLock<'static>>>,
    pub format: Format,
    /// The column of names, when there are several.
    pub name_width: Option<usize>,
    pub with_day: bool,
}

impl Printer {
    /// Prints a line.
    pub fn print(&mut self, line: &Line<'_>) -> std::io::Result<()> {
        if self.format == Format::Json {
            let json = json!({
                "time": line.at.map(moment::utc),
                "task": line.file.task,
                "item": line.file.id.item,
                "attempt": line.file.attempt,
                "level": line.level,
                "text": line.text,
            });
            return writeln!(self.out, "{json}");
        }
        let faint = look::FAINT;
        let format = if self.with_day {
            "%Y-%m-%d %H:%M:%S%.3f"
        } else {
            "%H:%M:%S%.3f"
        };
        let time = line.at.map_or_else(
            || "?".to_owned(),
            |at| moment::local(at).format(format).to_string(),
        );
        let name = self.name_width.map_or_else(String::new, |width| {
            let item = line.file.id.item;
            let item = item.map_or_else(String::new, |item| format!("[{item}]"));
            let name = look::fit(&format!("{}{item}", line.file.task), width);
            let style = look::BUSY;
            format!("  {style}{name}{style:#}")
        });
        let style = match line.level.as_str() {
            "error" => look::BAD,
            "warn" => look::WARN,
            "info" => look::FAINT,
            _ => anstyle::Style::new(),
        };
        let text = format!(
            "{faint}{time}{faint:#}{name}  {faint}{:<5}{faint:#}  {style}{}{style:#}",
            line.level, line.text
        );
        writeln!(self.out, "{}", text.trim_end())
    }
}
