//! The launch of `conv2d.wgsl`, which keeps its tile in registers and needs no workgroup memory: for software drivers, and
//! for GPUs whose workgroup memory is slow.
//!
//! Tried on llvmpipe (Mesa 22.3, two cores) on the 3x3 convolutions of a small ResNet, before lanes shared weights: 16x2
//! tiles written out by `//!repeat` 12–20 GFLOP/s and 0.4 s to compile; the same in loops over a private array 1–4 and
//! five seconds, since the driver stops unrolling and the array goes to memory; 8x4 11–14; 32x2 19–25, but 1.2 s.
//!
//! That driver loads lane by lane, so loads and not multiplications decide: sharing the weights among the lanes of a
//! subgroup took a ResNet-18 step (width 16, batch 64) from 24 to 52 images/s. Then 8 pixels instead of 16, whose inner loop
//! fits the instruction cache: 3x3 convolutions 22–44 GFLOP/s before, 33–55 after. A single tap has a third of that code and
//! needs twice the channels: a square 512 product 32 GFLOP/s with 8x16, 41 with 8x32.
//!
//! Rejected there: sums as scalars, one output channel of all pixels at a time, so that they stay in registers: the same speed
//! (a third of the time goes into loads, whatever the order of the sums), and naga takes seconds over so many expressions.

use super::implicit_gemm::ImplicitGemm;
use super::tile::divisor;
use crate::graph::{Candidate, Launch, Lowered, Slot, Target, grid};

/// What a thread makes at most.
#[derive(Debug, Clone, Copy)]
struct Register {
    /// Pixels, in a rectangle.
    pixels: usize,
    /// Vec4s of channels.
    vectors: usize,
    /// Lanes of a subgroup that share the weights they load.
    share: Option<usize>,
}

/// Rows, columns and vec4s of channels that a thread makes, and threads of a workgroup by pixels and channels.
struct RegisterTile {
    ty: usize,
    tx: usize,
    tn: usize,
    lanes_p: usize,
    lanes_n: usize,
}

/// The size in `1..=most` that splits `n` with the least waste; the largest of those.
fn even(n: usize, most: usize) -> usize {
    let waste = |t: usize| n.div_ceil(t) * t - n;
    (1..=most.min(n.max(1))).rev().min_by_key(|&t| waste(t) * 1000 / n.max(1)).unwrap_or(1)
}

fn single(phase: &ImplicitGemm) -> bool {
    phase.x.taps * phase.y.taps <= 1
}

/// The candidates of a node, the best guess first.
pub(super) fn candidates(phases: &[ImplicitGemm], slots: &[Slot], target: &Target) -> Vec<Candidate> {
    let share = target.subgroup.filter(|&lanes| target.software && lanes % 4 == 0);
    let of = |pixels, vectors, share| Register { pixels, vectors, share };
    // Software: large tiles, since every load is done lane by lane, and smaller ones where a single tap reuses
    // little. A GPU: what fits its registers.
    let one_tap = phases.iter().all(single);
    let sizes = match (target.software, share, one_tap) {
        (true, Some(_), false) => vec![of(8, 4, share), of(16, 4, share), of(4, 8, share)],
        (true, Some(_), true) => vec![of(8, 8, share), of(8, 4, share), of(16, 4, share)],
        (true, None, false) => vec![of(16, 2, None), of(8, 2, None), of(8, 4, None)],
        (true, None, true) => vec![of(8, 2, None), of(16, 2, None), of(4, 2, None)],
        (false, _, _) => vec![of(4, 2, None), of(8, 2, None)],
    };
    let candidate = |register: Register| {
        let launch = |phase: &ImplicitGemm| {
            let pixels = match target.software && !one_tap && single(phase) {
                true => register.pixels / 2,
                false => register.pixels,
            };
            register.launch(phase, pixels, slots, target)
        };
        Candidate {
            name: register.name(),
            lowered: Lowered { launches: phases.iter().map(launch).collect(), scratch: Vec::new() },
        }
    };
    sizes.into_iter().map(candidate).collect()
}

impl Register {
    fn name(&self) -> String {
        let shared = if self.share.is_some() { " shared" } else { "" };
        format!("register {}x{}{shared}", self.pixels, self.vectors * 4)
    }

    fn tile(&self, phase: &ImplicitGemm, pixels: usize, target: &Target) -> RegisterTile {
        let tx = even(phase.x.output, pixels);
        let ty = even(phase.rows(), pixels / tx);
        let tn = divisor(phase.n4, self.vectors);
        let (lanes, lanes_n) = match target.software {
            true => (self.share.unwrap_or(8), 1),
            false => (64, divisor(phase.n4 / tn, 8)),
        };
        RegisterTile { ty, tx, tn, lanes_p: lanes / lanes_n, lanes_n }
    }

    fn launch(&self, phase: &ImplicitGemm, pixels: usize, slots: &[Slot], target: &Target) -> Launch {
        let [_, taps_x] = phase.taps();
        let RegisterTile { ty, tx, tn, lanes_p, lanes_n } = self.tile(phase, pixels, target);
        let (tiles_y, tiles_x) = (phase.rows().div_ceil(ty), phase.x.output.div_ceil(tx));
        let subgroup = self.share.unwrap_or(1);
        let kernel = phase
            .kernel("conv2d")
            .with("TY", ty)
            .with("TX", tx)
            .with("TN", tn)
            .with("LANES_P", lanes_p)
            .with("LANES_N", lanes_n)
            .with("TILES_Y", tiles_y)
            .with("TILES_X", tiles_x)
            .with("SHARE", self.share.is_some())
            .with("SHARED", taps_x * tn * 4)
            .with("SUBGROUP", subgroup)
            .with("HELD", (taps_x * tn * 4).div_ceil(subgroup))
            .with("COLUMNS", (tx - 1) * phase.x.in_stride + taps_x);
        let [groups_x, groups_y, _] = grid((tiles_y * tiles_x).div_ceil(lanes_p));
        let workgroups = [groups_x, groups_y, (phase.n4 / tn).div_ceil(lanes_n) as u32];
        Launch::new(kernel, slots, workgroups)
    }
}
