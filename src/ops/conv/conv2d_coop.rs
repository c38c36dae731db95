//! The launches of `conv2d_coop.wgsl` and `conv2d_grad_weight_coop.wgsl`: cooperative matrices, for adapters that have them and
//! activations in f16. Weights are rounded to f16 on their way, as mixed precision does everywhere.

use super::implicit_gemm::ImplicitGemm;
use super::tile::{Cover, suits};
use super::weight_gradient::{WeightGradient, most_parts};
use crate::gpu::{Coop, Kernel};
use crate::graph::{Candidate, Launch, Lowered, Slot, Target, grid};

/// A workgroup makes `m` x `n` numbers of the result and goes through the inner dimension by `k`; its subgroups lie
/// `waves[0]` x `waves[1]` on the tile.
#[derive(Debug, Clone, Copy)]
struct CoopTile {
    m: usize,
    n: usize,
    k: usize,
    waves: [usize; 2],
}

const TILES: &[CoopTile] = &[
    CoopTile::new([128, 128, 32], [2, 4]),
    CoopTile::new([128, 64, 32], [2, 2]),
    CoopTile::new([64, 64, 32], [2, 2]),
    CoopTile::new([32, 32, 32], [2, 2]),
];

/// A tuner times each.
const MOST: usize = 3;

/// Matrices that a subgroup may sum at once: more do not fit registers.
const MATRICES: usize = 16;

impl CoopTile {
    const fn new([m, n, k]: [usize; 3], waves: [usize; 2]) -> CoopTile {
        CoopTile { m, n, k, waves }
    }

    fn name(&self) -> String {
        let CoopTile { m, n, k, waves } = self;
        format!("coop {m}x{n}x{k} {}x{}", waves[0], waves[1])
    }

    fn subgroups(&self) -> usize {
        self.waves[0] * self.waves[1]
    }

    /// Threads, if all subgroups are the largest.
    fn threads(&self, coop: &Coop) -> usize {
        self.subgroups() * coop.lanes
    }

    /// Rows and columns of matrices that a subgroup makes.
    fn matrices(&self, coop: &Coop) -> [usize; 2] {
        [self.m / self.waves[0], self.n / self.waves[1]].map(|side| side / coop.size)
    }

    /// Bytes of workgroup memory: two padded f16 tiles, whichever way they lie, and the patches.
    fn memory(&self, coop: &Coop) -> usize {
        let padded = |rows: usize, columns: usize| rows * (columns + 8) * 2;
        let either = |side| padded(self.k, side).max(padded(side, self.k));
        let patch = coop.size * coop.size * if coop.f32_sum { 4 } else { 2 };
        either(self.m) + either(self.n) + (self.subgroups() + 1) * patch
    }

    fn runs_on(&self, coop: &Coop, target: &Target) -> bool {
        let threads = self.threads(coop);
        let [rows, columns] = self.matrices(coop);
        // Every thread loads as much, and the same vec4 of `k` of every pixel.
        let even = threads.is_multiple_of(self.k / 4)
            && [self.m, self.n].iter().all(|side| (side * self.k / 4).is_multiple_of(threads));
        threads <= target.threads && self.memory(coop) <= target.workgroup_memory && rows * columns <= MATRICES && even
    }

    fn cover(&self, coop: &Coop) -> Cover {
        let [rows, columns] = self.matrices(coop);
        Cover {
            size: [self.m, self.n],
            threads: self.threads(coop),
            // A matrix product costs little: what is read for it decides.
            reads: 8.0 * (rows + columns) as f64 / (rows * columns * coop.size) as f64,
        }
    }

    /// A kernel with the constants of both shaders.
    fn constants(&self, kernel: Kernel, coop: &Coop) -> Kernel {
        let [rows, columns] = self.matrices(coop);
        kernel
            .with("COOP", true)
            .with("SIZE_16", coop.size == 16)
            .with("F32_SUM", coop.f32_sum)
            .with("SIZE", coop.size)
            .with("WAVES", self.subgroups())
            .with("WAVES_N", self.waves[1])
            .with("THREADS", self.threads(coop))
            .with("FM", rows)
            .with("FN", columns)
            .with("STEPS", self.k / coop.size)
    }
}

/// The tiles for a result of `size`, the best guess first.
fn choose(size: [usize; 2], parts: impl Fn(&CoopTile) -> usize, coop: &Coop, target: &Target) -> Vec<CoopTile> {
    let fits = |tile: &&CoopTile| tile.runs_on(coop, target) && suits([tile.m, tile.n], size, [32, 32]);
    let mut chosen: Vec<CoopTile> = TILES.iter().filter(fits).copied().collect();
    let cost = |tile: &CoopTile| tile.cover(coop).cost(size, parts(tile), target);
    chosen.sort_by(|a, b| cost(a).total_cmp(&cost(b)));
    chosen.truncate(MOST);
    chosen
}

/// The candidates of an implicit GEMM, the best guess first.
pub(super) fn candidates(phases: &[ImplicitGemm], slots: &[Slot], target: &Target) -> Vec<Candidate> {
    let Some(coop) = target.coop.filter(|_| phases.iter().all(|p| p.f16)) else {
        return Vec::new();
    };
    let pixels = |phase: &ImplicitGemm| phase.rows() * phase.x.output;
    let m = phases.iter().map(pixels).max().unwrap_or(1);
    let n = phases.first().map_or(1, |phase| phase.n4 * 4);
    let launch = |phase: &ImplicitGemm, tile: &CoopTile| {
        let (k4, n4, threads) = (tile.k / 4, tile.n / 4, tile.threads(&coop));
        let (tiles_m, tiles_n) = (pixels(phase).div_ceil(tile.m), phase.n4.div_ceil(n4));
        let kernel = tile
            .constants(phase.kernel("conv2d_coop"), &coop)
            .with("BM", tile.m)
            .with("BN4", n4)
            .with("BK4", k4)
            .with("LOADS_X", tile.m * k4 / threads)
            .with("LOADS_W", tile.k * n4 / threads)
            .with("TILES_M", tiles_m)
            .with("TILES_N", tiles_n);
        Launch::new(kernel, slots, grid(tiles_m * tiles_n))
    };
    choose([m, n], |_| 1, &coop, target)
        .iter()
        .map(|tile| Candidate {
            name: tile.name(),
            lowered: Lowered {
                launches: phases.iter().map(|phase| launch(phase, tile)).collect(),
                scratch: Vec::new(),
            },
        })
        .collect()
}

/// The candidates of a weight gradient, the best guess first.
pub(super) fn weight_candidates(weight: &WeightGradient, target: &Target) -> Vec<Candidate> {
    let Some(coop) = target.coop.filter(|_| weight.f16) else {
        return Vec::new();
    };
    let size = [weight.m4() * 4, weight.oc4 * 4];
    let pixels = weight.rows * weight.out_w;
    let most = most_parts(weight, target);
    let parts = |tile: &CoopTile| {
        let inner = [pixels, tile.k];
        tile.cover(&coop).parts(size, inner, most, target)
    };
    let lower = |tile: &CoopTile| {
        let (m4, n4, threads) = (tile.m / 4, tile.n / 4, tile.threads(&coop));
        let (tiles_m, tiles_n) = (weight.m4().div_ceil(m4), weight.oc4.div_ceil(n4));
        let pixels_per_part = pixels.div_ceil(parts(tile)).next_multiple_of(tile.k);
        let parts = pixels.div_ceil(pixels_per_part);
        let kernel = tile
            .constants(weight.kernel("conv2d_grad_weight_coop"), &coop)
            .with("BM4", m4)
            .with("BN4", n4)
            .with("BK", tile.k)
            .with("LOADS_X", tile.k * m4 / threads)
            .with("LOADS_DY", tile.k * n4 / threads)
            .with("TILES_M", tiles_m)
            .with("TILES_N", tiles_n)
            .with("PARTS", parts)
            .with("PIXELS", pixels_per_part);
        weight.summed(kernel, grid(parts * tiles_m * tiles_n), parts)
    };
    choose(size, parts, &coop, target)
        .iter()
        .map(|tile| Candidate { name: tile.name(), lowered: lower(tile) })
        .collect()
}
