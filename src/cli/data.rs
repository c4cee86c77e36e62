//! `runner data`: the rows that a task has left.

use std::io::Write;

use serde_json::Value as Json;
use unicode_width::UnicodeWidthStr as _;

use super::arguments::{Data, RowFormat};
use super::context::{Context, runtime};
use super::table::{self, Cell, Column};
use super::{exit, find, look, output};
use crate::data::csv::{encode_batch, encode_header};
use crate::data::{Batch, ColumnKind, Columns};
use crate::operate::rows::{Rows, datasets, none};
use crate::remote::{self, Server};

/// Rows of a table when nobody says how many.
const ROWS: u64 = 20;
/// The widest a cell gets on a terminal.
const CELL: usize = 60;

/// Rows from here or from a server.
enum Source<'a> {
    Here(Rows),
    There(remote::Rows<'a>),
}

impl Source<'_> {
    fn columns(&self) -> Columns {
        match self {
            Self::Here(rows) => rows.columns(),
            Self::There(rows) => rows.columns(),
        }
    }

    async fn next(&mut self) -> anyhow::Result<Option<Batch>> {
        Ok(match self {
            Self::Here(rows) => rows.next().await?,
            Self::There(rows) => rows.next().await?,
        })
    }
}

pub fn run(context: &Context, command: &Data) -> anyhow::Result<u8> {
    if let Some(server) = &context.server {
        return runtime()?.block_on(there(server, command));
    }
    context.require_project()?;
    runtime()?.block_on(async {
        let store = context.store().await?;
        let run = find::run(context, store.as_ref(), &command.run).await?;
        let version = find::version(store.as_ref(), &run).await?;
        let task = find::task(&version, &command.task)?;
        let datasets = datasets(store.as_ref(), &run, task, command.item).await?;
        if datasets.is_empty() {
            let (task, item) = (&command.task, command.item);
            return Err(none(store.as_ref(), &run, &version, task, item)
                .await?
                .into());
        }
        let total: u64 = datasets.iter().map(|dataset| dataset.rows).sum();
        let limit = limit(command, total);
        let rows = Rows::open(&context.places.state, &datasets, limit).await?;
        print(Source::Here(rows), command, total).await?;
        store.close().await;
        Ok(exit::OK)
    })
}

/// Asks a server for them.
async fn there(server: &Server, command: &Data) -> anyhow::Result<u8> {
    let run = server.find(&command.run).await?;
    let asked = remote::Asked {
        run: &run.id,
        task: &command.task,
        item: command.item,
    };
    let (columns, total) = server.columns(asked).await?;
    let rows = server.rows(asked, columns, limit(command, total)).await?;
    print(Source::There(rows), command, total).await?;
    Ok(exit::OK)
}

/// How many rows are printed.
fn limit(command: &Data, total: u64) -> u64 {
    match (command.limit, command.format) {
        (Some(0), _) | (None, RowFormat::Csv | RowFormat::Json) => total,
        (Some(limit), _) => limit.min(total),
        (None, RowFormat::Table) => ROWS.min(total),
    }
}

async fn print(mut rows: Source<'_>, command: &Data, total: u64) -> anyhow::Result<()> {
    let mut out = output::stdout();
    match command.format {
        RowFormat::Table => print_table(&mut out, &mut rows, total).await?,
        RowFormat::Csv => print_csv(&mut out, &mut rows).await?,
        RowFormat::Json => print_json(&mut out, &mut rows).await?,
    }
    Ok(out.flush()?)
}

async fn print_table(out: &mut dyn Write, rows: &mut Source<'_>, total: u64) -> anyhow::Result<()> {
    let columns = rows.columns();
    let terminal = output::columns();
    let mut cells: Vec<Vec<Cell>> = Vec::new();
    let mut widths: Vec<usize> = columns.iter().map(|column| column.name.width()).collect();
    while let Some(batch) = rows.next().await? {
        for row in 0..batch.rows() {
            let line = batch.row(row).enumerate().map(|(at, cell)| {
                let Some(cell) = cell else {
                    return Cell::styled("NULL", look::FAINT);
                };
                let mut text = one_line(&String::from_utf8_lossy(cell));
                if terminal.is_some() && text.width() > CELL {
                    text = look::fit(&text, CELL);
                }
                widths[at] = widths[at].max(text.width());
                Cell::plain(text)
            });
            cells.push(line.collect());
        }
    }
    // What doesn't fit even when it is cut is left out, and said.
    let mut shown = columns.len();
    if let Some(terminal) = terminal {
        let narrow = widths.iter().map(|width| width.min(&8) + 2);
        let mut room = terminal + 2;
        let fits = narrow.take_while(|width| {
            let fits = *width <= room;
            room = room.saturating_sub(*width);
            fits
        });
        shown = fits.count().max(1);
    }
    for row in &mut cells {
        row.truncate(shown);
    }
    let layout: Vec<Column<'_>> = columns[..shown.min(columns.len())]
        .iter()
        .map(|column| match column.kind {
            ColumnKind::Number => Column::right(&column.name),
            _ => Column::left(&column.name).shrinking(),
        })
        .collect();
    table::print_all(out, &layout, &cells, terminal)?;
    let faint = look::FAINT;
    let printed = cells.len() as u64;
    let noun = if total == 1 { "row" } else { "rows" };
    let mut foot = look::count(total);
    let mut more = Vec::new();
    if printed < total {
        foot = format!("{} of {foot}", look::count(printed));
        more.push("--limit 0 shows all rows");
    }
    foot = format!("{foot} {noun}");
    if shown < columns.len() {
        foot.push_str(&format!(", {shown} of {} columns", columns.len()));
        more.push("--format csv all columns");
    }
    for text in std::iter::once(foot).chain(more.into_iter().map(str::to_owned)) {
        writeln!(out, "{faint}{text}{faint:#}")?;
    }
    Ok(())
}

/// A text without what would break a line of a terminal.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => line.push('⏎'),
            '\t' => line.push(' '),
            other if other.is_control() => line.push('�'),
            other => line.push(other),
        }
    }
    line
}

async fn print_csv(out: &mut dyn Write, rows: &mut Source<'_>) -> anyhow::Result<()> {
    let mut buffer = Vec::new();
    encode_header(&rows.columns(), &mut buffer);
    while let Some(batch) = rows.next().await? {
        encode_batch(&batch, &mut buffer);
        out.write_all(&buffer)?;
        buffer.clear();
    }
    out.write_all(&buffer)?;
    Ok(())
}

async fn print_json(out: &mut dyn Write, rows: &mut Source<'_>) -> anyhow::Result<()> {
    write!(out, "[")?;
    let mut first = true;
    while let Some(batch) = rows.next().await? {
        for row in 0..batch.rows() {
            write!(out, "{}\n  ", if first { "" } else { "," })?;
            write!(out, "{}", Json::Object(batch.row_as_json(row)))?;
            first = false;
        }
    }
    writeln!(out, "{}]", if first { "" } else { "\n" })?;
    Ok(())
}
