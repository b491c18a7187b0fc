//! Layers: how far from the beginning of the graph a node stands.

/// The layer of each of `nodes` nodes: one more than the highest of those it comes after, so that every edge leads from
/// a lower layer to a higher one. What is on a cycle (no run has one) keeps the layer it was found in.
pub fn longest_path(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut layers = vec![0_usize; nodes];
    let mut open = vec![0_usize; nodes];
    let mut children = vec![Vec::new(); nodes];
    for &(from, to) in edges.iter().filter(|(from, to)| from.max(to) < &nodes) {
        children[from].push(to);
        open[to] += 1;
    }
    let mut ready: Vec<usize> = (0..nodes).filter(|node| open[*node] == 0).collect();
    while let Some(node) = ready.pop() {
        for &child in &children[node] {
            layers[child] = layers[child].max(layers[node] + 1);
            open[child] -= 1;
            if open[child] == 0 {
                ready.push(child);
            }
        }
    }
    layers
}

/// Moves what has no parents next to the first of its children: its edges need not cross the whole picture.
pub fn pull_sources(layers: &mut [usize], edges: &[(usize, usize)]) {
    let mut is_source = vec![true; layers.len()];
    let mut nearest = vec![usize::MAX; layers.len()];
    for &(from, to) in edges.iter().filter(|(from, to)| from.max(to) < &layers.len()) {
        is_source[to] = false;
        nearest[from] = nearest[from].min(layers[to]);
    }
    for (node, layer) in layers.iter_mut().enumerate() {
        if is_source[node] && nearest[node] != usize::MAX {
            *layer = nearest[node].saturating_sub(1);
        }
    }
}
