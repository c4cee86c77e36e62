//! A DAG as indented text.
//!
//! What stands below something without a sign comes after all of it; `├─` and `└─` are branches
//! that run beside each other, below the task that all of them come after:
//!
//! ```text
//!   create_tables
//!   ├─ load_deposits
//!   └─ load_users
//! ↓ migrate             after the 2 above
//!   ├─ active_users
//!   └─ last_login
//! ```
//!
//! The text follows the dominator tree: a task stands below the nearest task that every way to it
//! leads through. It names its `needs` where they are others than that.

use crate::model::TaskIndex;

/// A line of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What stands before the task's name: spaces, branches, an arrow.
    pub before: String,
    pub task: TaskIndex,
    /// What it needs, where its place doesn't say so.
    pub after: After,
}

/// What a task needs, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// Its place says it.
    Place,
    /// So many ends of branches right above it.
    Above(usize),
    /// These.
    Tasks(Vec<TaskIndex>),
}

/// Lays a DAG out, given by what each task needs. The work grows with the square of its tasks: not for thousands.
pub fn lines(needs: &[Vec<TaskIndex>]) -> Vec<Line> {
    let tree = Tree::of(needs);
    let mut drawn = Drawing {
        needs,
        tree: &tree,
        lines: Vec::with_capacity(needs.len()),
    };
    drawn.block(None, "  ", 0);
    drawn.lines
}

/// The dominator tree; its root is the run itself.
struct Tree {
    /// For each task the tasks right below it, in order.
    children: Vec<Vec<usize>>,
    /// The tasks below the run itself.
    roots: Vec<usize>,
    parents: Vec<Option<usize>>,
}

impl Tree {
    fn of(needs: &[Vec<TaskIndex>]) -> Self {
        let count = needs.len();
        let mut tree = Self {
            children: vec![Vec::new(); count],
            roots: Vec::new(),
            parents: vec![None; count],
        };
        // Needs have smaller indexes: one pass, each with its depth.
        let mut depth = vec![0_usize; count];
        for (at, needs) in needs.iter().enumerate() {
            let mut needs = needs.iter().map(|need| need.get());
            let first = needs.next();
            let parent = needs.fold(first, |common, need| tree.common(common, need, &depth));
            tree.parents[at] = parent;
            if let Some(parent) = parent {
                depth[at] = depth[parent] + 1;
                tree.children[parent].push(at);
            } else {
                depth[at] = 1;
                tree.roots.push(at);
            }
        }
        tree
    }

    /// The nearest task above both.
    fn common(&self, one: Option<usize>, other: usize, depth: &[usize]) -> Option<usize> {
        let (mut one, mut other) = (one?, other);
        while one != other {
            if depth[one] >= depth[other] {
                one = self.parents[one]?;
            } else {
                other = self.parents[other]?;
            }
        }
        Some(one)
    }

    fn below(&self, task: Option<usize>) -> &[usize] {
        match task {
            Some(task) => &self.children[task],
            None => &self.roots,
        }
    }
}

struct Drawing<'a> {
    needs: &'a [Vec<TaskIndex>],
    tree: &'a Tree,
    lines: Vec<Line>,
}

impl Drawing<'_> {
    /// Draws all that is below a task: its branches, and what goes on after them. `before` stands
    /// before every line; `from` is the first line of the block.
    fn block(&mut self, mut task: Option<usize>, before: &str, from: usize) {
        loop {
            let below = self.tree.below(task);
            let Some((&last, others)) = below.split_last() else {
                return;
            };
            let goes_on = if others.is_empty() {
                // A single task of a DAG isn't after anything.
                true
            } else {
                self.comes_after_all(last, others)
            };
            let branches = if goes_on { others } else { below };
            let first = self.lines.len();
            for (at, branch) in branches.iter().enumerate() {
                let is_last = at + 1 == branches.len();
                let (sign, space) = if is_last {
                    ("└─ ", "   ")
                } else {
                    ("├─ ", "│  ")
                };
                let start = self.lines.len();
                let after = self.after(*branch, task, first);
                self.line(format!("{before}{sign}"), *branch, after);
                self.block(Some(*branch), &format!("{before}{space}"), start);
            }
            if !goes_on {
                return;
            }
            let after = self.after(last, task, first);
            let place = if self.lines.len() == from {
                before.to_owned()
            } else {
                arrow(before)
            };
            self.line(place, last, after);
            task = Some(last);
        }
    }

    fn line(&mut self, before: String, task: usize, after: After) {
        let task = TaskIndex(u32::try_from(task).unwrap_or(u32::MAX));
        self.lines.push(Line {
            before,
            task,
            after,
        });
    }

    /// Whether every way through `others` may lead to `last`.
    fn comes_after_all(&self, last: usize, others: &[usize]) -> bool {
        let Some(&earliest) = others.first() else {
            return true;
        };
        let mut reached = vec![false; last + 1 - earliest];
        let mut open = vec![last];
        while let Some(task) = open.pop() {
            for need in &self.needs[task] {
                if need.get() >= earliest
                    && !std::mem::replace(&mut reached[need.get() - earliest], true)
                {
                    open.push(need.get());
                }
            }
        }
        others.iter().all(|other| reached[other - earliest])
    }

    /// What has to be said of a task's needs; `above` is the first line of the branches it stands
    /// beside or below.
    fn after(&self, task: usize, parent: Option<usize>, above: usize) -> After {
        let needs = &self.needs[task];
        match (needs.as_slice(), parent) {
            ([], _) => return After::Place,
            ([only], Some(parent)) if only.get() == parent => return After::Place,
            _ => {}
        }
        let mut ends: Vec<TaskIndex> = self.lines[above..].iter().map(|line| line.task).collect();
        let needed: Vec<TaskIndex> = self.lines[above..]
            .iter()
            .flat_map(|line| self.needs[line.task.get()].iter().copied())
            .collect();
        ends.retain(|end| !needed.contains(end));
        ends.sort_unstable();
        let mut sorted = needs.clone();
        sorted.sort_unstable();
        if sorted == ends && ends.len() > 1 {
            After::Above(ends.len())
        } else {
            After::Tasks(needs.clone())
        }
    }
}

/// The arrow of a task that comes after all above it stands where its branch's line would.
fn arrow(before: &str) -> String {
    let mut characters: Vec<char> = before.chars().collect();
    if let Some(at) = characters.len().checked_sub(2) {
        characters[at] = '↓';
    }
    characters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(tasks: &[(&str, &str)]) -> String {
        let place = |name: &str| {
            let at = tasks.iter().position(|(known, _)| *known == name).unwrap();
            TaskIndex(u32::try_from(at).unwrap())
        };
        let needs = tasks.iter();
        let needs = needs.map(|(_, needs)| needs.split_whitespace().map(place).collect());
        let needs: Vec<Vec<TaskIndex>> = needs.collect();
        let name = |task: &TaskIndex| tasks[task.get()].0.to_owned();
        let mut text = String::new();
        for line in lines(&needs) {
            let after = match &line.after {
                After::Place => String::new(),
                After::Above(count) => format!("  after the {count} above"),
                After::Tasks(tasks) => {
                    let names: Vec<String> = tasks.iter().map(name).collect();
                    format!("  after {}", names.join(", "))
                }
            };
            text.push_str(&format!("{}{}{after}\n", line.before, name(&line.task)));
        }
        text
    }

    #[test]
    fn branches_and_joins() {
        let text = drawn(&[
            ("create", ""),
            ("load_a", "create"),
            ("load_b", "create"),
            ("clean_b", "load_b"),
            ("migrate", "load_a clean_b"),
            ("q1", "migrate"),
            ("q2", "migrate"),
        ]);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_chain_is_a_column() {
        insta::assert_snapshot!(drawn(&[("a", ""), ("b", "a"), ("c", "b")]));
    }

    #[test]
    fn several_beginnings_and_crossing_needs() {
        let text = drawn(&[
            ("a", ""),
            ("b", ""),
            ("c", ""),
            ("ab", "a b"),
            ("bc", "b c"),
            ("a2", "a"),
            ("a3", "a2"),
            ("all", "ab bc a3"),
            ("end", "all"),
        ]);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn tasks_without_needs_stand_beside_each_other() {
        insta::assert_snapshot!(drawn(&[("a", ""), ("b", ""), ("c", "b"), ("d", "c")]));
    }
}
