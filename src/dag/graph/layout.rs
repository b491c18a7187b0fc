//! Where the boxes of a layered graph stand, and how its edges run: from left to right, without overlap.
//!
//! In four steps (Sugiyama): *layers* by the longest path, with a waypoint wherever an edge crosses a layer; an *order*
//! in each layer by the mean place of the neighbours; *heights* as near to the neighbours as the order allows; *columns*
//! side by side.

use super::layers::{longest_path, pull_sources};
use std::collections::HashMap;

/// Room around everything.
const MARGIN: f64 = 16.0;
/// Room between two boxes of a column.
const GAP: f64 = 14.0;
/// Room for a waypoint.
const LANE: f64 = 4.0;
/// Room between columns: at least this …
const ALLEY: f64 = 44.0;
/// … and at most this, where edges are steep.
const WIDEST_ALLEY: f64 = 150.0;
/// With more waypoints than this, edges run straight instead.
const WAYPOINTS_MAX: usize = 20_000;
/// How often the order, and then the heights, are improved: from the left and from the right by turns.
const SWEEPS: usize = 12;

/// A place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// From the left.
    pub x: f64,
    /// From the top.
    pub y: f64,
}

/// How big something is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// From left to right.
    pub width: f64,
    /// From top to bottom.
    pub height: f64,
}

/// A box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// Its upper left corner.
    pub corner: Point,
    /// How big it is.
    pub size: Size,
}

/// Everything in its place.
#[derive(Debug)]
pub struct Layout {
    /// Of the whole.
    pub size: Size,
    /// Of each node.
    pub frames: Vec<Frame>,
    /// Of each edge: where it begins, then by twos where it comes to a layer and leaves it, then where it ends.
    pub routes: Vec<Vec<Point>>,
}

/// Lays out a graph without cycles: nodes of these sizes, and edges by the nodes' places in the list.
pub fn lay_out(sizes: &[Size], edges: &[(usize, usize)]) -> Layout {
    let mut graph = Layered::new(sizes, edges);
    graph.sort();
    graph.settle();
    graph.finish(sizes.len(), edges)
}

/// Nodes, and behind them waypoints, in columns.
struct Layered {
    sizes: Vec<Size>,
    columns: Vec<Vec<usize>>,
    /// Neighbours in lower layers, of each.
    before: Vec<Vec<usize>>,
    /// Neighbours in higher layers.
    after: Vec<Vec<usize>>,
    /// How high the middle of each stands.
    middle: Vec<f64>,
    /// Through which waypoints each edge runs.
    ways: Vec<Vec<usize>>,
    nodes: usize,
}

impl Layered {
    fn new(sizes: &[Size], edges: &[(usize, usize)]) -> Layered {
        let nodes = sizes.len();
        let mut layers = longest_path(nodes, edges);
        pull_sources(&mut layers, edges);
        let mut graph = Layered {
            sizes: sizes.to_vec(),
            columns: vec![Vec::new(); layers.iter().max().map_or(0, |last| last + 1)],
            before: vec![Vec::new(); nodes],
            after: vec![Vec::new(); nodes],
            middle: Vec::new(),
            ways: Vec::with_capacity(edges.len()),
            nodes,
        };
        for (node, layer) in layers.iter().enumerate() {
            graph.columns[*layer].push(node);
        }
        let crossed: usize = edges.iter().map(|(from, to)| layers[*to].saturating_sub(layers[*from] + 1)).sum();
        let has_waypoints = crossed <= WAYPOINTS_MAX;
        // Edges that leave a node together stay together while they can.
        let mut shared = HashMap::new();
        for &(from, to) in edges {
            let (mut last, mut way) = (from, Vec::new());
            for layer in layers[from] + 1..if has_waypoints { layers[to] } else { 0 } {
                let point = *shared.entry((from, layer)).or_insert_with(|| graph.add_waypoint(last, layer));
                way.push(point);
                last = point;
            }
            graph.link(last, to);
            graph.ways.push(way);
        }
        graph.middle = vec![0.0; graph.sizes.len()];
        graph
    }

    fn add_waypoint(&mut self, from: usize, layer: usize) -> usize {
        let point = self.sizes.len();
        self.sizes.push(Size { width: 0.0, height: LANE });
        self.before.push(Vec::new());
        self.after.push(Vec::new());
        self.columns[layer].push(point);
        self.link(from, point);
        point
    }

    fn link(&mut self, from: usize, to: usize) {
        self.after[from].push(to);
        self.before[to].push(from);
    }

    /// Orders every column by the mean place of the neighbours, as a share of their columns.
    fn sort(&mut self) {
        let mut share = vec![0.5; self.sizes.len()];
        self.columns.iter().for_each(|column| note_shares(column, &mut share));
        for sweep in 0..SWEEPS {
            let forward = sweep.is_multiple_of(2);
            let neighbours = if forward { &self.before } else { &self.after };
            for turn in 0..self.columns.len() {
                let place = if forward { turn } else { self.columns.len() - 1 - turn };
                let column = &mut self.columns[place];
                let mut keyed: Vec<(f64, usize)> = column
                    .iter()
                    .map(|item| {
                        (mean(neighbours[*item].iter().map(|other| share[*other])).unwrap_or(share[*item]), *item)
                    })
                    .collect();
                keyed.sort_by(|(one, _), (other, _)| one.total_cmp(other));
                column.clear();
                column.extend(keyed.into_iter().map(|(_, item)| item));
                note_shares(column, &mut share);
            }
        }
    }

    /// Finds the heights: first one below the other, then as near to the neighbours as may be.
    fn settle(&mut self) {
        for column in &self.columns {
            let mut offset = 0.0;
            for (place, item) in column.iter().enumerate() {
                offset += place.checked_sub(1).map_or(0.0, |above| self.apart(column[above], *item));
                self.middle[*item] = offset;
            }
        }
        for sweep in 0..SWEEPS {
            for turn in 0..self.columns.len() {
                let place = if sweep.is_multiple_of(2) { turn } else { self.columns.len() - 1 - turn };
                self.settle_column(place, sweep);
            }
        }
    }

    fn settle_column(&mut self, place: usize, sweep: usize) {
        let column = &self.columns[place];
        let mut offset = 0.0;
        let mut blocks: Vec<Block> = Vec::with_capacity(column.len());
        let mut offsets = Vec::with_capacity(column.len());
        for (row, item) in column.iter().enumerate() {
            offset += row.checked_sub(1).map_or(0.0, |above| self.apart(column[above], *item));
            offsets.push(offset);
            let (wish, weight) = self.wish(*item, sweep);
            let mut block = Block { sum: (wish - offset) * weight, weight, items: 1 };
            // Whoever would stand above what is above him moves together with it to the mean of their wishes.
            while let Some(above) = blocks.pop_if(|above| above.mean() > block.mean()) {
                block = Block {
                    sum: block.sum + above.sum,
                    weight: block.weight + above.weight,
                    items: block.items + above.items,
                };
            }
            blocks.push(block);
        }
        let bases = blocks.iter().flat_map(|block| std::iter::repeat_n(block.mean(), block.items));
        for ((item, offset), base) in column.iter().zip(offsets).zip(bases) {
            self.middle[*item] = base + offset;
        }
    }

    /// Where an item would like to stand, and how much.
    fn wish(&self, item: usize, sweep: usize) -> (f64, f64) {
        let heights = |of: &[usize]| mean(of.iter().map(|other| self.middle[*other]));
        let (before, after) = (heights(&self.before[item]), heights(&self.after[item]));
        let wish = match (before, after) {
            // In the end both sides count.
            (Some(before), Some(after)) if sweep + 2 >= SWEEPS => Some((before + after) / 2.0),
            _ if sweep.is_multiple_of(2) => before,
            _ => after,
        };
        // A long edge that is straight is worth more than a box in the middle of its neighbours.
        let weight = if item >= self.nodes { 4.0 } else { 1.0 };
        wish.map_or((self.middle[item], 0.25), |wish| (wish, weight))
    }

    /// How far the middles of two neighbours in a column are apart at least.
    fn apart(&self, above: usize, below: usize) -> f64 {
        (self.sizes[above].height + self.sizes[below].height) / 2.0 + GAP
    }

    /// Moves everything into the picture: columns from left to right, the highest item below the upper margin.
    fn finish(self, nodes: usize, edges: &[(usize, usize)]) -> Layout {
        let edge_of = |item: usize, side: f64| self.middle[item] + side * self.sizes[item].height / 2.0;
        let top = (0..self.sizes.len()).map(|item| edge_of(item, -1.0)).fold(f64::INFINITY, f64::min);
        let bottom = (0..self.sizes.len()).map(|item| edge_of(item, 1.0)).fold(f64::NEG_INFINITY, f64::max);
        let mut frames =
            vec![Frame { corner: Point { x: 0.0, y: 0.0 }, size: Size { width: 0.0, height: 0.0 } }; self.sizes.len()];
        let mut x = MARGIN;
        let mut right = MARGIN;
        for column in &self.columns {
            let width = column.iter().map(|item| self.sizes[*item].width).fold(0.0, f64::max);
            for item in column {
                let height = self.sizes[*item].height;
                // Small things stand in the middle of a column, boxes and waypoints are as wide as it is.
                let is_small = *item < nodes && self.sizes[*item].width <= height;
                let own = if is_small { self.sizes[*item].width } else { width };
                let corner = Point { x: x + (width - own) / 2.0, y: edge_of(*item, -1.0) - top + MARGIN };
                frames[*item] = Frame { corner, size: Size { width: own, height } };
            }
            right = x + width;
            let steepest = column
                .iter()
                .flat_map(|item| self.after[*item].iter().map(|other| (self.middle[*other] - self.middle[*item]).abs()))
                .fold(0.0, f64::max);
            x = right + (ALLEY + steepest / 8.0).min(WIDEST_ALLEY);
        }
        let routes = edges.iter().zip(&self.ways).map(|((from, to), way)| {
            let inner = way.iter().flat_map(|point| [frames[*point].left(), frames[*point].right()]);
            std::iter::once(frames[*from].right()).chain(inner).chain([frames[*to].left()]).collect()
        });
        let routes = routes.collect();
        let height = if top.is_finite() { bottom - top } else { 0.0 };
        frames.truncate(nodes);
        Layout { size: Size { width: right + MARGIN, height: height + 2.0 * MARGIN }, frames, routes }
    }
}

impl Frame {
    /// Where edges come in.
    fn left(&self) -> Point {
        Point { x: self.corner.x, y: self.corner.y + self.size.height / 2.0 }
    }

    /// Where edges go out.
    fn right(&self) -> Point {
        Point { x: self.corner.x + self.size.width, ..self.left() }
    }
}

/// Items that stand as close as they may, and the mean of their wishes.
struct Block {
    sum: f64,
    weight: f64,
    items: usize,
}

impl Block {
    fn mean(&self) -> f64 {
        self.sum / self.weight
    }
}

fn note_shares(column: &[usize], share: &mut [f64]) {
    for (place, item) in column.iter().enumerate() {
        share[*item] = (place as f64 + 0.5) / column.len() as f64;
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then(|| sum / count)
}
