//! Which column and which row each task of a graph has: layers by the longest way, dummies where an
//! edge passes a layer, and an order with few crossings.

use std::collections::BTreeMap;

/// A place in the grid of layers: a task, or a point that a long edge passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    Task(usize),
    /// A long edge of this task passes here.
    Pass(usize),
}

/// Cells, their layers and their order.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) cells: Vec<Cell>,
    /// By cell.
    pub(super) layer: Vec<usize>,
    /// The cells of each layer, from top to bottom.
    pub(super) order: Vec<Vec<usize>>,
    /// Edges between neighbouring layers, by cell.
    pub(super) before: Vec<Vec<usize>>,
    pub(super) after: Vec<Vec<usize>>,
    /// By edge, the cells from its task to its task.
    pub(super) ways: Vec<Vec<usize>>,
}

/// Sweeps over all layers in search of an order with fewer crossings.
const SWEEPS: usize = 12;

/// Arranges tasks; `edges` go from an earlier task to a later one, by index.
pub(super) fn arrange(tasks: usize, edges: &[(usize, usize)]) -> Layers {
    let layer = layers(tasks, edges);
    let mut layers = Layers::with_cells(tasks, edges, &layer);
    layers.untangle();
    layers
}

/// The layer of each task: after the last one that it needs, and no further left of what needs it
/// than its own needs pull it.
fn layers(tasks: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut before = vec![Vec::new(); tasks];
    let mut after = vec![Vec::new(); tasks];
    for &(from, to) in edges {
        before[to].push(from);
        after[from].push(to);
    }
    let mut layer = vec![0; tasks];
    for task in 0..tasks {
        let last = before[task].iter().map(|need| layer[*need] + 1).max();
        layer[task] = last.unwrap_or(0);
    }
    for task in (0..tasks).rev() {
        let next = after[task].iter().map(|next| layer[*next]).min();
        if let Some(next) = next
            && before[task].len() < after[task].len().max(1)
            && before[task].is_empty()
        {
            layer[task] = next - 1;
        }
    }
    layer
}

impl Layers {
    fn with_cells(tasks: usize, edges: &[(usize, usize)], layer: &[usize]) -> Self {
        let mut layers = Self {
            cells: (0..tasks).map(Cell::Task).collect(),
            layer: layer.to_vec(),
            before: vec![Vec::new(); tasks],
            after: vec![Vec::new(); tasks],
            ..Self::default()
        };
        // The long edges of one task share their dummies: one line that others branch off.
        let mut passes: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for &(from, to) in edges {
            let mut way = vec![from];
            for between in layer[from] + 1..layer[to] {
                let pass = *passes.entry((from, between)).or_insert_with(|| {
                    layers.cells.push(Cell::Pass(from));
                    layers.layer.push(between);
                    layers.before.push(Vec::new());
                    layers.after.push(Vec::new());
                    layers.cells.len() - 1
                });
                way.push(pass);
            }
            way.push(to);
            for pair in way.windows(2) {
                if !layers.after[pair[0]].contains(&pair[1]) {
                    layers.after[pair[0]].push(pair[1]);
                    layers.before[pair[1]].push(pair[0]);
                }
            }
            layers.ways.push(way);
        }
        let count = layers.layer.iter().max().map_or(0, |last| last + 1);
        layers.order = vec![Vec::new(); count];
        layers.put_in_first_order();
        layers
    }

    /// The first order follows the edges from the sources on: what hangs together stands together.
    fn put_in_first_order(&mut self) {
        let mut seen = vec![false; self.cells.len()];
        for start in 0..self.cells.len() {
            if !self.before[start].is_empty() {
                continue;
            }
            let mut stack = vec![start];
            while let Some(cell) = stack.pop() {
                if std::mem::replace(&mut seen[cell], true) {
                    continue;
                }
                self.order[self.layer[cell]].push(cell);
                stack.extend(self.after[cell].iter().rev());
            }
        }
    }

    /// Sorts each layer by the middle of its neighbours, to and fro, and keeps the best.
    fn untangle(&mut self) {
        let mut best = self.order.clone();
        let mut least = self.crossings();
        for sweep in 0..SWEEPS {
            if least == 0 {
                break;
            }
            let count = self.order.len();
            if sweep % 2 == 0 {
                (1..count).for_each(|layer| self.sort(layer, true));
            } else {
                (0..count.saturating_sub(1))
                    .rev()
                    .for_each(|layer| self.sort(layer, false));
            }
            let crossings = self.crossings();
            if crossings < least {
                least = crossings;
                best.clone_from(&self.order);
            }
        }
        self.order = best;
    }

    fn sort(&mut self, layer: usize, forwards: bool) {
        let neighbours = if forwards { &self.before } else { &self.after };
        let other = if forwards { layer - 1 } else { layer + 1 };
        let place = places(&self.order[other], self.cells.len());
        let mut keyed: Vec<(f64, usize)> = self.order[layer]
            .iter()
            .enumerate()
            .map(|(at, cell)| {
                let near = &neighbours[*cell];
                // Who has no neighbour there stays.
                let middle = if near.is_empty() {
                    number(at)
                } else {
                    near.iter().map(|one| number(place[*one])).sum::<f64>() / number(near.len())
                };
                (middle, *cell)
            })
            .collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.order[layer] = keyed.into_iter().map(|(_, cell)| cell).collect();
    }

    /// How many edges cross.
    pub(super) fn crossings(&self) -> usize {
        let mut crossings = 0;
        for pair in self.order.windows(2) {
            let place = places(&pair[1], self.cells.len());
            // Edges in the order of their starts: each pair whose ends stand the other way crosses.
            let mut fallen = vec![0_usize; pair[1].len() + 1];
            let mut seen = 0;
            for cell in &pair[0] {
                let mut ends: Vec<usize> =
                    self.after[*cell].iter().map(|end| place[*end]).collect();
                ends.sort_unstable();
                for end in &ends {
                    crossings += seen - up_to(&fallen, *end);
                }
                for end in ends {
                    add(&mut fallen, end);
                    seen += 1;
                }
            }
        }
        crossings
    }
}

/// How many ends that were added stand at `place` or above it (a Fenwick tree).
fn up_to(tree: &[usize], place: usize) -> usize {
    let mut at = place + 1;
    let mut sum = 0;
    while at > 0 {
        sum += tree[at];
        at &= at - 1;
    }
    sum
}

fn add(tree: &mut [usize], place: usize) {
    let mut at = place + 1;
    while at < tree.len() {
        tree[at] += 1;
        at += at & at.wrapping_neg();
    }
}

/// The place of each cell in its layer, by cell.
fn places(order: &[usize], cells: usize) -> Vec<usize> {
    let mut place = vec![0; cells];
    for (at, cell) in order.iter().enumerate() {
        place[*cell] = at;
    }
    place
}

#[expect(clippy::cast_precision_loss, reason = "far fewer cells than 2^53")]
pub(super) fn number(count: usize) -> f64 {
    count as f64
}
