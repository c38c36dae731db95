//! Tiles of a GEMM in workgroup memory: which ones fit a device and a problem, and which to guess first.

use crate::graph::{Candidate, Launch, Lowered, Target};

/// Threads that fill a compute unit.
const THREADS_PER_UNIT: usize = 256;

/// A workgroup makes `m` x `n` numbers of the result and goes through the inner dimension by `k`; a thread makes `tm` x `tn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub tm: usize,
    pub tn: usize,
}

impl Tile {
    pub const fn new([m, n, k]: [usize; 3], [tm, tn]: [usize; 2]) -> Tile {
        Tile { m, n, k, tm, tn }
    }

    pub fn threads(&self) -> usize {
        self.m / self.tm * (self.n / self.tn)
    }

    /// Tells it from the other candidates of a node.
    pub fn name(&self) -> String {
        let Tile { m, n, k, tm, tn } = self;
        format!("tiled {m}x{n}x{k} {tm}x{tn}")
    }

    /// Whether a device can run it: f32 tiles of both factors in workgroup memory.
    fn runs_on(&self, target: &Target) -> bool {
        self.threads() <= target.threads
            && (self.m + self.n) * self.k * 4 <= target.workgroup_memory
    }

    /// Not many more rows and columns than the problem has; what is small enough is always sensible.
    fn suits(&self, m: usize, n: usize) -> bool {
        let sensible = |tile: usize, size: usize, least: usize| tile <= least || tile < size * 2;
        sensible(self.m, m, 32) && sensible(self.n, n, 16)
    }

    /// A guess of the time of an `m` x `n` problem whose inner dimension is cut into `parts`, for comparing tiles: each
    /// multiply-add pays for its share of reads from workgroup memory, and a GPU that is not full waits.
    fn cost(&self, [m, n]: [usize; 2], parts: usize, target: &Target) -> f64 {
        let groups = m.div_ceil(self.m) * n.div_ceil(self.n);
        let work = (groups * self.m * self.n) as f64;
        let reads = (self.tm + self.tn) as f64 / (self.tm * self.tn) as f64;
        let full = target.units * THREADS_PER_UNIT;
        let filled = (groups * parts * self.threads()) as f64 / full as f64;
        work * (1.0 + reads) / filled.min(1.0)
    }

    /// Into how many parts to cut an inner dimension of `k`, so that a GPU is full but a part is worth its start and `most`
    /// is not exceeded.
    pub fn parts(&self, [m, n, k]: [usize; 3], most: usize, target: &Target) -> usize {
        let threads = m.div_ceil(self.m) * n.div_ceil(self.n) * self.threads();
        let wanted = (target.units * THREADS_PER_UNIT).div_ceil(threads);
        wanted.min(k / (8 * self.k)).min(most).max(1)
    }
}

/// The tiles of `tiles` that a device can run and that make sense for an `m` x `n` problem, the best guess first. `parts`
/// says how a tile cuts the inner dimension.
pub(super) fn choose(
    tiles: &[Tile],
    [m, n]: [usize; 2],
    parts: impl Fn(&Tile) -> usize,
    target: &Target,
) -> Vec<Tile> {
    let mut chosen: Vec<Tile> = tiles
        .iter()
        .filter(|tile| tile.runs_on(target) && tile.suits(m, n))
        .copied()
        .collect();
    let cost = |tile: &Tile| tile.cost([m, n], parts(tile), target);
    chosen.sort_by(|a, b| cost(a).total_cmp(&cost(b)));
    chosen
}

/// Candidates without those that come to the same kernels as one before.
pub(super) fn distinct(candidates: impl IntoIterator<Item = Candidate>) -> Vec<Candidate> {
    let kernels = |lowered: &Lowered| -> Vec<String> {
        let key = |launch: &Launch| launch.kernel.key();
        lowered.launches.iter().map(key).collect()
    };
    let mut seen = Vec::new();
    candidates
        .into_iter()
        .filter(|candidate| {
            let key = kernels(&candidate.lowered);
            let new = !seen.contains(&key);
            if new {
                seen.push(key);
            }
            new
        })
        .collect()
}

/// The best guess.
pub(super) fn first(candidates: Vec<Candidate>) -> Lowered {
    let first = candidates.into_iter().next();
    first.map(|c| c.lowered).unwrap_or_default()
}

/// The largest divisor of `n` that is at most `most`.
pub(super) fn divisor(n: usize, most: usize) -> usize {
    (1..=most).rev().find(|t| n.is_multiple_of(*t)).unwrap_or(1)
}
