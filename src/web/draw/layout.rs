//! Where the tasks of a graph stand and which way its edges go: from left to right, in layers.

mod middles;

use std::collections::BTreeMap;

use self::middles::{height, middles};
use super::layers::{Layers, arrange};

/// The height of a task's box.
pub const HEIGHT: f64 = 38.0;
/// Between two boxes, from top to bottom.
const GAP: f64 = 14.0;
/// Between two layers: edges need room to turn.
const BETWEEN: f64 = 44.0;
/// Around everything.
const MARGIN: f64 = 6.0;
/// A graph with more edges is drawn without those that others imply.
const MANY_EDGES: usize = 60;

/// What is drawn, in pixels; the origin is at the top left.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    pub width: f64,
    pub height: f64,
    /// By task.
    pub boxes: Vec<Place>,
    pub edges: Vec<Edge>,
    /// Edges that aren't drawn, as others imply them.
    pub left_out: usize,
}

/// The box of a task.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Place {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub layer: usize,
}

/// An edge: the points where it leaves a box, passes the layers between and arrives.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    pub from: usize,
    pub to: usize,
    /// Pairs of points: between those of one pair it runs straight, from pair to pair it bends.
    pub points: Vec<(f64, f64)>,
}

/// Lays a graph out. Tasks are in topological order; `needs` are the tasks that each waits for, and
/// `widths` how wide the boxes have to be. Parts that don't hang together stand below one another.
#[must_use]
pub fn layout(needs: &[Vec<usize>], widths: &[f64]) -> Layout {
    let mut laid = Layout {
        width: 2.0 * MARGIN,
        height: MARGIN,
        boxes: vec![Place::default(); needs.len()],
        edges: Vec::new(),
        left_out: 0,
    };
    for part in parts(needs) {
        let local: BTreeMap<usize, usize> = part.iter().copied().zip(0..).collect();
        let own: Vec<Vec<usize>> = part
            .iter()
            .map(|task| needs[*task].iter().map(|need| local[need]).collect())
            .collect();
        let own_widths: Vec<f64> = part.iter().map(|task| widths[*task]).collect();
        let down = laid.height - MARGIN;
        let own = layout_of_part(&own, &own_widths);
        for (task, place) in part.iter().zip(&own.boxes) {
            laid.boxes[*task] = Place {
                top: place.top + down,
                ..*place
            };
        }
        laid.edges.extend(own.edges.into_iter().map(|edge| Edge {
            from: part[edge.from],
            to: part[edge.to],
            points: edge.points.iter().map(|(x, y)| (*x, y + down)).collect(),
        }));
        laid.left_out += own.left_out;
        laid.width = laid.width.max(own.width);
        laid.height = down + own.height - MARGIN + GAP;
    }
    laid.height += MARGIN - GAP;
    laid
}

/// The tasks that hang together, each part in order; parts of one task come last.
fn parts(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut part: Vec<usize> = (0..needs.len()).collect();
    for (task, needs) in needs.iter().enumerate() {
        for need in needs {
            let (one, other) = (part[task], part[*need]);
            if one != other {
                let (kept, gone) = (one.min(other), one.max(other));
                part.iter_mut()
                    .filter(|part| **part == gone)
                    .for_each(|part| *part = kept);
            }
        }
    }
    let mut parts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (task, part) in part.into_iter().enumerate() {
        parts.entry(part).or_default().push(task);
    }
    let mut parts: Vec<Vec<usize>> = parts.into_values().collect();
    parts.sort_by_key(|part| part.len() == 1);
    parts
}

fn layout_of_part(needs: &[Vec<usize>], widths: &[f64]) -> Layout {
    let all: Vec<(usize, usize)> = needs
        .iter()
        .enumerate()
        .flat_map(|(to, needs)| needs.iter().map(move |from| (*from, to)))
        .collect();
    let edges = if all.len() > MANY_EDGES {
        without_implied(needs, &all)
    } else {
        all.clone()
    };
    let layers = arrange(needs.len(), &edges);
    let (lefts, column_widths) = columns(&layers, widths);
    let middles = middles(&layers);
    let width = lefts.last().zip(column_widths.last());
    let lowest = layers.cells.iter().zip(&middles);
    let lowest = lowest.map(|(cell, middle)| middle + height(*cell) / 2.0);
    let mut laid = Layout {
        width: width.map_or(0.0, |(left, width)| left + width) + MARGIN,
        height: lowest.fold(0.0, f64::max) + MARGIN,
        boxes: Vec::with_capacity(needs.len()),
        edges: Vec::with_capacity(edges.len()),
        left_out: all.len() - edges.len(),
    };
    for (middle, layer) in middles.iter().zip(&layers.layer).take(needs.len()) {
        laid.boxes.push(Place {
            left: lefts[*layer],
            top: middle - HEIGHT / 2.0,
            width: column_widths[*layer],
            layer: *layer,
        });
    }
    for (&(from, to), way) in edges.iter().zip(&layers.ways) {
        let mut points = Vec::with_capacity(way.len() * 2);
        for (at, cell) in way.iter().enumerate() {
            let layer = layers.layer[*cell];
            let (left, right) = (lefts[layer], lefts[layer] + column_widths[layer]);
            if at > 0 {
                points.push((left, middles[*cell]));
            }
            if at + 1 < way.len() {
                points.push((right, middles[*cell]));
            }
        }
        laid.edges.push(Edge { from, to, points });
    }
    laid
}

/// The edges that no way over other tasks implies.
fn without_implied(needs: &[Vec<usize>], edges: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // By task, all that must have ended before it, as bits.
    let words = needs.len().div_ceil(64);
    let mut before = vec![vec![0_u64; words]; needs.len()];
    for (task, needs) in needs.iter().enumerate() {
        let mut own = vec![0_u64; words];
        for need in needs {
            for (own, word) in own.iter_mut().zip(&before[*need]) {
                *own |= word;
            }
            own[need / 64] |= 1 << (need % 64);
        }
        before[task] = own;
    }
    let has = |task: usize, other: usize| before[task][other / 64] >> (other % 64) & 1 == 1;
    let direct = |&&(from, to): &&(usize, usize)| !needs[to].iter().any(|need| has(*need, from));
    edges.iter().filter(direct).copied().collect()
}

/// The left edge and the width of each layer.
fn columns(layers: &Layers, widths: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut column_widths = vec![0.0_f64; layers.order.len()];
    for (task, width) in widths.iter().enumerate() {
        let column = &mut column_widths[layers.layer[task]];
        *column = column.max(*width);
    }
    let mut left = MARGIN;
    let lefts = column_widths
        .iter()
        .map(|width| {
            let own = left;
            left += width + BETWEEN;
            own
        })
        .collect();
    (lefts, column_widths)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::layers::number;
    use super::*;

    /// DAGs in topological order, from chains to webs.
    fn dags() -> impl Strategy<Value = Vec<Vec<usize>>> {
        (1_usize..120, 0_u32..6, any::<u64>()).prop_map(|(tasks, most, seed)| {
            let mut state = seed | 1;
            let mut draw = |below: usize| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                usize::try_from(state % below as u64).unwrap()
            };
            (0..tasks)
                .map(|task| {
                    let count = if task == 0 {
                        0
                    } else {
                        draw(most as usize + 1)
                    };
                    let mut needs: Vec<usize> = (0..count).map(|_| draw(task)).collect();
                    needs.sort_unstable();
                    needs.dedup();
                    needs
                })
                .collect()
        })
    }

    fn widths(tasks: usize) -> Vec<f64> {
        (0..tasks)
            .map(|task| 80.0 + number(task * 37 % 90))
            .collect()
    }

    /// The boxes that a straight piece of an edge runs through.
    fn run_through(laid: &Layout, edge: &Edge) -> Option<usize> {
        let inner = &edge.points[1..edge.points.len() - 1];
        let straight = inner.chunks(2);
        for piece in straight {
            let ((from, y), (to, _)) = (piece[0], piece[1]);
            let through = laid.boxes.iter().position(|place| {
                place.left < to
                    && place.left + place.width > from
                    && place.top < y
                    && place.top + HEIGHT > y
            });
            if through.is_some() {
                return through;
            }
        }
        None
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
        #[test]
        fn graphs_are_readable(needs in dags()) {
            let laid = layout(&needs, &widths(needs.len()));
            for (at, place) in laid.boxes.iter().enumerate() {
                prop_assert!(place.left >= 0.0 && place.top >= 0.0, "{at} is outside");
                prop_assert!(place.left + place.width <= laid.width, "{at} is outside");
                prop_assert!(place.top + HEIGHT <= laid.height, "{at} is outside");
                for (other, beside) in laid.boxes.iter().enumerate().skip(at + 1) {
                    let apart = place.left + place.width <= beside.left
                        || beside.left + beside.width <= place.left
                        || place.top + HEIGHT <= beside.top + 0.001
                        || beside.top + HEIGHT <= place.top + 0.001;
                    prop_assert!(apart, "{at} lies over {other}");
                }
            }
            for edge in &laid.edges {
                prop_assert!(laid.boxes[edge.from].layer < laid.boxes[edge.to].layer);
                let ordered = edge.points.windows(2).all(|pair| pair[0].0 < pair[1].0);
                prop_assert!(ordered, "an edge turns back: {:?}", edge.points);
                prop_assert_eq!(run_through(&laid, edge), None);
            }
            let drawn = laid.edges.len() + laid.left_out;
            prop_assert_eq!(drawn, needs.iter().map(Vec::len).sum::<usize>());
            prop_assert_eq!(&laid, &layout(&needs, &widths(needs.len())));
        }
    }

    #[test]
    fn a_chain_is_a_line() {
        let laid = layout(&[vec![], vec![0], vec![1]], &[100.0; 3]);
        let tops: Vec<f64> = laid.boxes.iter().map(|place| place.top).collect();
        assert_eq!(tops, [MARGIN; 3]);
        assert_eq!((laid.width, laid.height), (400.0, HEIGHT + 2.0 * MARGIN));
    }

    #[test]
    fn branches_don_t_cross() {
        // Two chains that are written mixed, and come together.
        let needs = [
            vec![],
            vec![],
            vec![1],
            vec![0],
            vec![3],
            vec![2],
            vec![4, 5],
        ];
        let edges: Vec<(usize, usize)> = (0..7)
            .flat_map(|to| needs[to].iter().map(move |from| (*from, to)))
            .collect();
        assert_eq!(arrange(7, &edges).crossings(), 0);
    }

    #[test]
    fn an_implied_edge_of_a_large_graph_is_left_out() {
        let needs: Vec<Vec<usize>> = (0..20).map(|task| (0..task).collect()).collect();
        let laid = layout(&needs, &widths(20));
        assert_eq!((laid.edges.len(), laid.left_out), (19, 171));
    }
}
