//! The launch of `conv2d.wgsl`: one kernel serves the forward pass and the input gradient of convolutions, linear layers
//! and A·Bᵀ. This file says which pixels meet which weights, and chooses the tile.
//!
//! Tried on llvmpipe (Mesa 22.3, two cores) on the 3x3 convolutions of a small ResNet, before lanes shared weights: 16x2
//! tiles written out by `//!repeat` 12–20 GFLOP/s and 0.4 s to compile; the same in loops over a private array 1–4 and
//! five seconds, since the driver stops unrolling and the array goes to memory; 8x4 11–14; 32x2 19–25, but 1.2 s.
//!
//! That driver loads lane by lane, so loads and not multiplications decide: sharing the weights among the lanes of a
//! subgroup took a ResNet-18 step (width 16, batch 64) from 24 to 52 images/s.

use crate::gpu::Kernel;
use crate::graph::{Launch, Slot, Target, grid};

/// One axis of an image: output pixel `t` reads inputs `t * in_stride + tap + in_offset`, `tap` below `taps`, with weight
/// tap `tap_0 + tap * tap_step`, and is written at `t * out_stride + out_offset`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    pub input: usize,
    /// Outputs computed.
    pub output: usize,
    /// Length of the axis they are written to.
    pub full: usize,
    /// Size of the weight on this axis.
    pub kernel: usize,
    pub taps: usize,
    pub tap_0: i32,
    pub tap_step: i32,
    pub in_stride: usize,
    pub in_offset: i32,
    pub out_stride: usize,
    pub out_offset: usize,
}

impl Axis {
    /// The forward pass of a convolution.
    pub fn forward(input: usize, kernel: usize, stride: usize, padding: usize) -> Axis {
        let output = (input + 2 * padding - kernel) / stride + 1;
        Axis {
            input,
            output,
            full: output,
            kernel,
            taps: kernel,
            tap_0: 0,
            tap_step: 1,
            in_stride: stride,
            in_offset: -(padding as i32),
            out_stride: 1,
            out_offset: 0,
        }
    }

    /// The input gradient for the input pixels `phase`, `phase + stride`, …: they all meet the same taps of the weight.
    /// `input` is the length of the image whose gradient is made.
    pub fn backward(
        input: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
        phase: usize,
    ) -> Axis {
        let forward = Axis::forward(input, kernel, stride, padding);
        // Pixel x = phase + stride * t meets output o through tap k where o * stride + k - padding = x, so
        // k = first + stride * j and o = t + (phase + padding - first) / stride - j. Taps run backward, so that o ascends.
        let first = (phase + padding) % stride;
        let taps = (kernel + stride - 1 - first.min(kernel + stride - 1)) / stride;
        let last = taps as i32 - 1;
        Axis {
            input: forward.output,
            output: input.saturating_sub(phase).div_ceil(stride),
            full: input,
            kernel,
            taps,
            tap_0: first as i32 + stride as i32 * last,
            tap_step: -(stride as i32),
            in_stride: 1,
            in_offset: ((phase + padding - first) / stride) as i32 - last,
            out_stride: stride,
            out_offset: phase,
        }
    }
}

/// What the kernel computes.
pub(super) struct Correlation {
    pub images: usize,
    pub y: Axis,
    pub x: Axis,
    /// Input channels in vec4s.
    pub k4: usize,
    /// Output channels in vec4s.
    pub n4: usize,
    /// The weight lies as `[tap, output, input]`.
    pub transposed: bool,
    pub bias: bool,
    /// Input and output are kept in f16.
    pub f16: bool,
}

/// Rows, columns and vec4s of channels that a thread makes, and threads of a workgroup by pixels and channels.
#[derive(Debug, Clone, Copy)]
struct Tile {
    ty: usize,
    tx: usize,
    tn: usize,
    lanes_p: usize,
    lanes_n: usize,
    /// Lanes that share the weights they load.
    share: Option<usize>,
}

/// The size in `1..=most` that splits `n` with the least waste; the largest of those.
fn even(n: usize, most: usize) -> usize {
    let waste = |t: usize| n.div_ceil(t) * t - n;
    (1..=most.min(n.max(1)))
        .rev()
        .min_by_key(|&t| waste(t) * 1000 / n.max(1))
        .unwrap_or(1)
}

fn divisor(n: usize, most: usize) -> usize {
    (1..=most).rev().find(|t| n.is_multiple_of(*t)).unwrap_or(1)
}

impl Correlation {
    fn rows(&self) -> usize {
        self.images * self.y.output
    }

    fn tile(&self, target: &Target) -> Tile {
        // Software: large tiles, since every load is done lane by lane, and smaller ones where a single tap reuses
        // little. A GPU: what fits its registers.
        let single = self.x.taps * self.y.taps <= 1;
        let share = target
            .subgroup
            .filter(|&lanes| target.software && lanes % 4 == 0);
        let (pixels, tn, lanes) = match (target.software, share, single) {
            (true, Some(lanes), false) => (16, 4, lanes),
            (true, Some(lanes), true) => (8, 4, lanes),
            (true, None, false) => (16, 2, 8),
            (true, None, true) => (8, 2, 8),
            (false, _, _) => (4, 2, 64),
        };
        let tx = even(self.x.output, pixels);
        let ty = even(self.rows(), pixels / tx);
        let tn = divisor(self.n4, tn);
        let lanes_n = if target.software {
            1
        } else {
            divisor(self.n4 / tn, 8)
        };
        Tile {
            ty,
            tx,
            tn,
            lanes_p: lanes / lanes_n,
            lanes_n,
            share,
        }
    }

    /// The launch: `slots` are input, weight, (bias), output.
    pub fn launch(&self, slots: &[Slot], target: &Target) -> Launch {
        // A phase of the input gradient that no tap reaches is all zeros: no rows of taps.
        let nothing = self.y.taps * self.x.taps == 0;
        let (taps_y, taps_x) = if nothing {
            (0, 1)
        } else {
            (self.y.taps, self.x.taps)
        };
        let Tile {
            ty,
            tx,
            tn,
            lanes_p,
            lanes_n,
            share,
        } = self.tile(target);
        let (tiles_y, tiles_x) = (self.rows().div_ceil(ty), self.x.output.div_ceil(tx));
        let kernel = Kernel::new("conv2d")
            .with("TRANSPOSED", self.transposed)
            .with("BIAS", self.bias)
            .with("F16", self.f16)
            .with("TY", ty)
            .with("TX", tx)
            .with("TN", tn)
            .with("LANES_P", lanes_p)
            .with("LANES_N", lanes_n)
            .with("TILES_Y", tiles_y)
            .with("TILES_X", tiles_x)
            .with("K4", self.k4)
            .with("N4", self.n4)
            .with("ROWS", self.rows())
            .with("IN_H", self.y.input)
            .with("IN_W", self.x.input)
            .with("OUT_H", self.y.output)
            .with("OUT_W", self.x.output)
            .with("FULL_H", self.y.full)
            .with("FULL_W", self.x.full)
            .with("KERNEL_W", self.x.kernel)
            .with("TAPS_Y", taps_y)
            .with("TAPS_X", taps_x)
            .with("SHARE", share.is_some())
            .with("SHARED", taps_x * tn * 4)
            .with("SUBGROUP", share.unwrap_or(1))
            .with("HELD", (taps_x * tn * 4).div_ceil(share.unwrap_or(1)))
            .with("COLUMNS", (tx - 1) * self.x.in_stride + taps_x)
            .with("TAP_0Y", self.y.tap_0)
            .with("TAP_0X", self.x.tap_0)
            .with("TAP_STEP", self.x.tap_step)
            .with("IN_STRIDE", self.x.in_stride)
            .with("IN_OFFSET_Y", self.y.in_offset)
            .with("IN_OFFSET_X", self.x.in_offset)
            .with("OUT_STRIDE", self.x.out_stride)
            .with("OUT_OFFSET_Y", self.y.out_offset)
            .with("OUT_OFFSET_X", self.x.out_offset);
        let [groups_x, groups_y, _] = grid((tiles_y * tiles_x).div_ceil(lanes_p));
        let workgroups = [groups_x, groups_y, (self.n4 / tn).div_ceil(lanes_n) as u32];
        Launch::new(kernel, slots, workgroups)
    }
}
