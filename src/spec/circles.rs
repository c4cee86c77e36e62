//! What waits for itself.

use std::collections::{HashMap, HashSet};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// A circle in each part of a graph that has some, by the places of what is needed by each place:
/// in the order things would happen, from the first place of the document to itself.
pub fn circles(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut graph = DiGraph::<(), ()>::with_capacity(needs.len(), 0);
    let nodes: Vec<NodeIndex> = needs.iter().map(|_| graph.add_node(())).collect();
    for (at, own) in needs.iter().enumerate() {
        for need in own {
            graph.add_edge(nodes[*need], nodes[at], ());
        }
    }
    let mut found: Vec<Vec<usize>> = kosaraju_scc(&graph)
        .into_iter()
        .map(|component| component.into_iter().map(NodeIndex::index).collect())
        .filter(|component: &Vec<usize>| {
            component.len() > 1 || needs[component[0]].contains(&component[0])
        })
        .collect();
    found.sort_by_key(|component| component.iter().min().copied());
    let within = |component: Vec<usize>| circle_within(needs, &component);
    found.into_iter().map(within).collect()
}

/// A shortest circle in a strongly connected component.
fn circle_within(needs: &[Vec<usize>], component: &[usize]) -> Vec<usize> {
    let members: HashSet<usize> = component.iter().copied().collect();
    let start = component.iter().copied().min().unwrap_or_default();
    // Breadth first along what is needed, until the start is needed again.
    let mut came_from: HashMap<usize, usize> = HashMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for need in needs[at].iter().filter(|need| members.contains(need)) {
            if *need == start {
                let mut path = vec![start, at];
                let mut here = at;
                while here != start {
                    here = came_from[&here];
                    path.push(here);
                }
                if at == start {
                    path.truncate(2);
                }
                return path;
            }
            if !came_from.contains_key(need) {
                came_from.insert(*need, at);
                queue.push_back(*need);
            }
        }
    }
    component.to_vec()
}

/// The names along a circle, the middle of a long one left out.
pub fn path_text(names: Vec<&str>) -> String {
    if names.len() <= 20 {
        return names.join(" → ");
    }
    let (first, rest) = (&names[..10], &names[names.len() - 9..]);
    format!("{} → … → {}", first.join(" → "), rest.join(" → "))
}
