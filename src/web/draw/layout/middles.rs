//! How far down each cell of a layer stands: near its neighbours, long edges straight.

use std::collections::BTreeMap;

use super::{GAP, HEIGHT, MARGIN};
use crate::web::draw::layers::{Cell, Layers, number};

/// Between an edge that passes and what is above or below it.
const PASS_GAP: f64 = 9.0;
/// Rounds in which boxes move towards their neighbours.
const ROUNDS: usize = 16;

/// How high what a cell holds is.
pub fn height(cell: Cell) -> f64 {
    match cell {
        Cell::Task(_) => HEIGHT,
        Cell::Pass(_) => 0.0,
    }
}

/// From the middle of a cell to that of the next below it, at least.
fn apart(above: Cell, below: Cell) -> f64 {
    let gap = match (above, below) {
        (Cell::Task(_), Cell::Task(_)) => GAP,
        _ => PASS_GAP,
    };
    f64::midpoint(height(above), height(below)) + gap
}

/// How much a cell insists on its place: a long edge should be straight.
fn weight(cell: Cell, neighbours: usize) -> f64 {
    match cell {
        Cell::Task(_) => 1.0 + number(neighbours),
        Cell::Pass(_) => 8.0,
    }
}

/// The middle of each cell, from the top: near its neighbours, in the order of its layer, never over
/// another.
pub fn middles(layers: &Layers) -> Vec<f64> {
    let mut middle = vec![0.0_f64; layers.cells.len()];
    for order in &layers.order {
        for pair in order.windows(2) {
            middle[pair[1]] = middle[pair[0]] + apart(layers.cells[pair[0]], layers.cells[pair[1]]);
        }
    }
    for round in 0..ROUNDS {
        let forwards = round % 2 == 0;
        let last = round + 2 >= ROUNDS;
        let count = layers.order.len();
        for step in 0..count {
            let layer = if forwards { step } else { count - 1 - step };
            let order = &layers.order[layer];
            let wanted: Vec<(f64, f64)> = order
                .iter()
                .map(|cell| {
                    let (before, after) = (&layers.before[*cell], &layers.after[*cell]);
                    let near: Vec<usize> = match (last, forwards) {
                        (true, _) => before.iter().chain(after).copied().collect(),
                        (false, true) => before.clone(),
                        (false, false) => after.clone(),
                    };
                    let weight = weight(layers.cells[*cell], near.len());
                    if near.is_empty() {
                        (middle[*cell], 0.1)
                    } else {
                        let sum: f64 = near.iter().map(|one| middle[*one]).sum();
                        (sum / number(near.len()), weight)
                    }
                })
                .collect();
            let gaps = order
                .windows(2)
                .map(|pair| apart(layers.cells[pair[0]], layers.cells[pair[1]]));
            for (cell, at) in order.iter().zip(spread(&wanted, gaps)) {
                middle[*cell] = at;
            }
        }
    }
    straighten(layers, &mut middle);
    let tops = layers.cells.iter().zip(&middle);
    let top = tops.map(|(cell, middle)| middle - height(*cell) / 2.0);
    let top = top.fold(f64::INFINITY, f64::min);
    middle.iter().map(|middle| middle - top + MARGIN).collect()
}

/// Puts the points that a long edge passes on one line, where there is room in all their layers.
fn straighten(layers: &Layers, middle: &mut [f64]) {
    let mut edges: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, cell) in layers.cells.iter().enumerate() {
        if let Cell::Pass(from) = cell {
            edges.entry(*from).or_default().push(at);
        }
    }
    let mut place = vec![0; layers.cells.len()];
    for order in &layers.order {
        for (at, cell) in order.iter().enumerate() {
            place[*cell] = at;
        }
    }
    for passes in edges.values_mut() {
        passes.sort_by_key(|pass| layers.layer[*pass]);
        let mut start = 0;
        while start < passes.len() {
            let mut room = (f64::NEG_INFINITY, f64::INFINITY);
            let mut end = start;
            while let Some(pass) = passes.get(end) {
                let order = &layers.order[layers.layer[*pass]];
                let at = place[*pass];
                let own = layers.cells[*pass];
                let above = at.checked_sub(1).map(|at| order[at]);
                let low = above.map_or(f64::NEG_INFINITY, |other| {
                    middle[other] + apart(layers.cells[other], own)
                });
                let high = order.get(at + 1).map_or(f64::INFINITY, |other| {
                    middle[*other] - apart(own, layers.cells[*other])
                });
                let both = (room.0.max(low), room.1.min(high));
                if both.0 > both.1 {
                    break;
                }
                room = both;
                end += 1;
            }
            let run = &passes[start..end.max(start + 1)];
            let mean = run.iter().map(|pass| middle[*pass]).sum::<f64>() / number(run.len());
            if room.0 <= room.1 {
                for pass in run {
                    middle[*pass] = mean.max(room.0).min(room.1);
                }
            }
            start += run.len();
        }
    }
}

/// The places nearest to the wanted ones (by weighted squares) that keep the order and the gaps:
/// pool adjacent violators.
fn spread(wanted: &[(f64, f64)], gaps: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut offset = vec![0.0];
    offset.extend(gaps.scan(0.0, |down, gap| {
        *down += gap;
        Some(*down)
    }));
    // Blocks that move as one: the sum of what is wanted, the weight, how many.
    let mut blocks: Vec<(f64, f64, usize)> = Vec::new();
    for ((place, weight), offset) in wanted.iter().zip(&offset) {
        let mut block = ((place - offset) * weight, *weight, 1);
        while let Some(above) = blocks.last() {
            if above.0 / above.1 <= block.0 / block.1 {
                break;
            }
            block = (above.0 + block.0, above.1 + block.1, above.2 + block.2);
            blocks.pop();
        }
        blocks.push(block);
    }
    let bases = blocks
        .iter()
        .flat_map(|(sum, weight, count)| std::iter::repeat_n(sum / weight, *count));
    bases
        .zip(&offset)
        .map(|(base, offset)| base + offset)
        .collect()
}
