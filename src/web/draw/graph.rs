//! A DAG as SVG: its tasks in layers from left to right, their states in colour and by a sign.

use super::layers::number;
use super::layout::{Edge, HEIGHT, Layout, layout};
use super::text::{escape, px, shortened};
use crate::operate::tone::Tone;

/// A graph of more tasks isn't drawn: nobody would read it.
pub const MOST: usize = 400;

/// Pixels a letter of a name takes (12 px, fixed width), and one of the line below it (11 px).
const LETTER: f64 = 7.25;
const SMALL_LETTER: f64 = 6.0;
/// Letters of a name, and of the line below it.
const NAME: usize = 30;
const NOTE: usize = 34;
/// Left of the text: the colour and the sign.
const INDENT: f64 = 26.0;
const LEAST: f64 = 92.0;

/// A task of a graph.
#[derive(Debug, Clone)]
pub struct Node {
    pub name: String,
    /// The line below: its kind, how long it took.
    pub note: String,
    pub needs: Vec<usize>,
    /// `None`: a DAG is drawn, not a run of it.
    pub tone: Option<Tone>,
    /// Where a click leads.
    pub link: String,
    /// It runs once for each item; how many of them stand how, when that is known.
    pub items: Option<Vec<(Tone, u64)>>,
}

/// Draws a graph; tasks are in topological order.
#[must_use]
pub fn graph(nodes: &[Node], title: &str) -> String {
    let needs: Vec<Vec<usize>> = nodes.iter().map(|node| node.needs.clone()).collect();
    let widths: Vec<f64> = nodes.iter().map(width).collect();
    let laid = layout(&needs, &widths);
    let mut svg = format!(
        r#"<svg class="graph" width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="group" aria-label="{2}">"#,
        px(laid.width),
        px(laid.height),
        escape(title)
    );
    svg.push('\n');
    for edge in &laid.edges {
        let tone = nodes[edge.from].tone.map_or("", Tone::class);
        svg.push_str(&format!(
            r#"<path class="edge {tone}" data-from="{}" data-to="{}" d="{}"/>"#,
            edge.from,
            edge.to,
            path(edge)
        ));
        svg.push('\n');
    }
    for (at, node) in nodes.iter().enumerate() {
        draw(&mut svg, &laid, at, node);
    }
    svg.push_str("</svg>");
    svg
}

fn width(node: &Node) -> f64 {
    let above = number(node.name.chars().count().min(NAME)) * LETTER;
    let below = number(node.note.chars().count().min(NOTE)) * SMALL_LETTER;
    (INDENT + above.max(below) + 10.0).max(LEAST)
}

/// Bends between layers, straight lines within them.
fn path(edge: &Edge) -> String {
    let mut path = String::new();
    let mut last = (0.0, 0.0);
    for (at, &(x, y)) in edge.points.iter().enumerate() {
        if at == 0 {
            path.push_str(&format!("M{} {}", px(x), px(y)));
        } else if at % 2 == 0 {
            path.push_str(&format!("H{}", px(x)));
        } else {
            let middle = f64::midpoint(last.0, x);
            let (x, y, middle, from) = (px(x), px(y), px(middle), px(last.1));
            path.push_str(&format!("C{middle} {from} {middle} {y} {x} {y}"));
        }
        last = (x, y);
    }
    path
}

fn draw(svg: &mut String, laid: &Layout, at: usize, node: &Node) {
    let place = laid.boxes[at];
    let (left, top) = (place.left, place.top);
    let word = node.tone.map_or("", Tone::word);
    let told = if word.is_empty() {
        node.name.clone()
    } else {
        format!("{}: {word}", node.name)
    };
    // The title is its name for those who don't see it.
    svg.push_str(&format!(
        r#"<a class="node {}" id="n{at}" href="{}" data-node="{at}"><title>{}"#,
        node.tone.map_or("s-none", Tone::class),
        escape(&node.link),
        escape(&told)
    ));
    if !node.note.is_empty() {
        svg.push_str(&format!("\n{}", escape(&node.note)));
    }
    svg.push_str("</title>");
    let box_at = |shift: f64, class: &str| {
        format!(
            r#"<rect class="{class}" x="{}" y="{}" width="{}" height="{}" rx="5"/>"#,
            px(left + shift),
            px(top + shift),
            px(place.width),
            px(HEIGHT)
        )
    };
    if node.items.is_some() {
        svg.push_str(&box_at(3.5, "behind"));
    }
    svg.push_str(&box_at(0.0, "box"));
    svg.push_str(&format!(
        r#"<path class="strip" d="M{0} {1}h-1a4 4 0 0 0-4 4v{2}a4 4 0 0 0 4 4h1z"/>"#,
        px(left + 5.0),
        px(top),
        px(HEIGHT - 8.0)
    ));
    let sign = node.tone.map_or("", Tone::sign);
    svg.push_str(&format!(
        r#"<text class="sign" x="{}" y="{}">{sign}</text>"#,
        px(left + 15.0),
        px(top + 23.0)
    ));
    let has_note = !node.note.is_empty();
    svg.push_str(&format!(
        r#"<text class="name" x="{}" y="{}">{}</text>"#,
        px(left + INDENT),
        px(top + if has_note { 16.5 } else { 23.0 }),
        escape(&shortened(&node.name, NAME))
    ));
    if has_note {
        svg.push_str(&format!(
            r#"<text class="note" x="{}" y="{}">{}</text>"#,
            px(left + INDENT),
            px(top + 30.0),
            escape(&shortened(&node.note, NOTE))
        ));
    }
    if let Some(items) = &node.items {
        shares(
            svg,
            (left + 6.0, top + HEIGHT - 3.0),
            place.width - 12.0,
            items,
        );
    }
    svg.push_str("</a>\n");
}

/// How many items stand how, as parts of a line.
fn shares(svg: &mut String, (left, top): (f64, f64), width: f64, items: &[(Tone, u64)]) {
    let total: u64 = items.iter().map(|(_, count)| count).sum();
    let mut at = left;
    for (tone, count) in items.iter().filter(|(_, count)| *count > 0) {
        #[expect(clippy::cast_precision_loss, reason = "a share of some pixels")]
        let share = width * *count as f64 / total as f64;
        svg.push_str(&format!(
            r#"<rect class="share {}" x="{}" y="{}" width="{}" height="3"/>"#,
            tone.class(),
            px(at),
            px(top),
            px(share)
        ));
        at += share;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, needs: &[usize]) -> Node {
        Node {
            name: name.to_owned(),
            note: "sql".to_owned(),
            needs: needs.to_vec(),
            tone: Some(Tone::Success),
            link: format!("/runs/1#{name}"),
            items: None,
        }
    }

    #[test]
    fn names_can_t_leave_their_place() {
        let mut evil = node("a", &[]);
        evil.name = "<script>\"'".to_owned();
        evil.link = "\"><script>".to_owned();
        let svg = graph(&[evil], "\"><script>");
        assert!(!svg.contains("<script"), "{svg}");
        assert!(svg.contains("&lt;script&gt;&quot;&#39;"), "{svg}");
    }

    #[test]
    fn every_task_and_every_edge_is_drawn() {
        let svg = graph(&[node("a", &[]), node("b", &[0]), node("c", &[0, 1])], "x");
        assert_eq!(svg.matches("<a class=\"node").count(), 3);
        assert_eq!(svg.matches("<path class=\"edge").count(), 3);
    }

    #[test]
    fn shares_fill_the_line() {
        let mut svg = String::new();
        let items = [(Tone::Success, 3), (Tone::Failed, 1), (Tone::Running, 0)];
        shares(&mut svg, (0.0, 0.0), 100.0, &items);
        assert_eq!(svg.matches("<rect").count(), 2);
        assert!(
            svg.contains(r#"width="75""#) && svg.contains(r#"x="75""#),
            "{svg}"
        );
    }
}
