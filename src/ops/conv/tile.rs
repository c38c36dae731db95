//! Tiles of a GEMM in workgroup memory: which ones fit a device and a problem, and which to guess first.

use crate::graph::{Candidate, Launch, Lowered, Target};

/// Threads that fill a compute unit.
const THREADS_PER_UNIT: usize = 256;

/// A workgroup makes `m` x `n` numbers of the result and goes through the inner dimension by `k`; a thread makes `tm` x `tn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ops) struct Tile {
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

    pub fn cover(&self) -> Cover {
        Cover {
            size: [self.m, self.n],
            threads: self.threads(),
            reads: (self.tm + self.tn) as f64 / (self.tm * self.tn) as f64,
        }
    }

    /// Whether a device can run it: f32 tiles of both factors in workgroup memory.
    fn runs_on(&self, target: &Target) -> bool {
        self.threads() <= target.threads && (self.m + self.n) * self.k * 4 <= target.workgroup_memory
    }
}

/// Whether a tile has not many more rows and columns than the result; what is small enough is always sensible.
pub(in crate::ops) fn suits(tile: [usize; 2], result: [usize; 2], least: [usize; 2]) -> bool {
    (0..2).all(|i| tile[i] <= least[i] || tile[i] < result[i] * 2)
}

/// How a kernel covers its result: tiles of `size` by workgroups of `threads`, reading `reads` numbers from workgroup memory
/// for each multiply-add.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops) struct Cover {
    pub size: [usize; 2],
    pub threads: usize,
    pub reads: f64,
}

impl Cover {
    fn groups(&self, [m, n]: [usize; 2]) -> usize {
        m.div_ceil(self.size[0]) * n.div_ceil(self.size[1])
    }

    /// A guess of the time of an `m` x `n` problem whose inner dimension is cut into `parts`, for comparing tiles: each
    /// multiply-add pays for its reads, and a GPU that is not full waits.
    pub fn cost(&self, result: [usize; 2], parts: usize, target: &Target) -> f64 {
        let groups = self.groups(result);
        let work = (groups * self.size[0] * self.size[1]) as f64;
        let full = target.units * THREADS_PER_UNIT;
        let filled = (groups * parts * self.threads) as f64 / full as f64;
        work * (1.0 + self.reads) / filled.min(1.0)
    }

    /// Into how many parts to cut an inner dimension of `k`, walked in `steps`, so that a GPU is full but a part is worth
    /// its start and `most` is not exceeded.
    pub fn parts(&self, result: [usize; 2], [k, step]: [usize; 2], most: usize, target: &Target) -> usize {
        let threads = self.groups(result) * self.threads;
        let wanted = (target.units * THREADS_PER_UNIT).div_ceil(threads);
        wanted.min(k / (8 * step)).min(most).max(1)
    }
}

/// The tiles of `tiles` that a device can run and that make sense for an `m` x `n` problem, the best guess first. `parts`
/// says how a tile cuts the inner dimension.
pub(in crate::ops) fn choose(
    tiles: &[Tile],
    [m, n]: [usize; 2],
    parts: impl Fn(&Tile) -> usize,
    target: &Target,
) -> Vec<Tile> {
    let mut chosen: Vec<Tile> = tiles
        .iter()
        .filter(|tile| tile.runs_on(target) && suits([tile.m, tile.n], [m, n], [32, 16]))
        .copied()
        .collect();
    let cost = |tile: &Tile| tile.cover().cost([m, n], parts(tile), target);
    chosen.sort_by(|a, b| cost(a).total_cmp(&cost(b)));
    chosen
}

/// Candidates without those that come to the same kernels as one before.
pub(in crate::ops) fn distinct(candidates: impl IntoIterator<Item = Candidate>) -> Vec<Candidate> {
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
pub(in crate::ops) fn first(candidates: Vec<Candidate>) -> Lowered {
    let first = candidates.into_iter().next();
    first.map(|c| c.lowered).unwrap_or_default()
}

/// The largest divisor of `n` that is at most `most`.
pub(in crate::ops) fn divisor(n: usize, most: usize) -> usize {
    (1..=most).rev().find(|t| n.is_multiple_of(*t)).unwrap_or(1)
}
