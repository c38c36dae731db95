//! The launch of `conv2d_grad_weight.wgsl`, which keeps its tile in registers and needs no workgroup memory: for software
//! drivers, and for GPUs whose workgroup memory is slow.
//!
//! Measured on llvmpipe (Mesa 22.3, two cores), the kernels of a ResNet-18 step, before and after lanes share dy: 1.9 times
//! faster. Then four pixels at a time with the sums of one output channel side by side, instead of two pixels after each other:
//! a fifth faster at 16 channels, as fast at 128. Eight pixels or eight vec4s of output channels: up to a third slower with
//! three taps, since the inner loop leaves the instruction cache; with a single tap eight vec4s are a quarter faster.

use super::tile::divisor;
use super::weight_gradient::WeightGradient;
use crate::gpu::Kernel;
use crate::graph::{Candidate, Lowered, Target, grid};

/// What a thread makes at most, and who shares.
#[derive(Debug, Clone, Copy)]
struct Register {
    /// Pixels at a time.
    pixels: usize,
    /// Vec4s of output channels.
    vectors: usize,
    /// Threads of a workgroup.
    lanes: usize,
    /// Threads to cut the pixels for.
    threads: usize,
    /// Lanes of a subgroup that share the dy they load.
    share: Option<usize>,
}

/// The candidates of a node, the best guess first.
pub(super) fn candidates(weight: &WeightGradient, target: &Target) -> Vec<Candidate> {
    let of = |pixels, vectors, lanes, threads, share| Register { pixels, vectors, lanes, threads, share };
    // Software: large tiles, since every load is done lane by lane, larger ones where a single tap reuses little. A GPU: what
    // fits its registers.
    let wide = if weight.kernel[1] == 1 { 8 } else { 4 };
    let sizes = match (target.software, target.subgroup) {
        (true, Some(lanes)) => vec![
            of(4, wide, lanes, 128, Some(lanes)),
            of(2, wide, lanes, 128, Some(lanes)),
            of(4, wide / 2, lanes, 128, Some(lanes)),
        ],
        (true, None) => vec![of(1, 2, 8, 64, None), of(2, 4, 8, 64, None)],
        (false, _) => vec![of(1, 1, 64, 32_768, None)],
    };
    let candidate = |register: Register| Candidate { name: register.name(), lowered: register.lower(weight) };
    sizes.into_iter().map(candidate).collect()
}

impl Register {
    fn name(&self) -> String {
        let shared = if self.share.is_some() { " shared" } else { "" };
        format!("register {}x{}{shared}", self.pixels, self.vectors * 4)
    }

    fn lower(&self, weight: &WeightGradient) -> Lowered {
        let [kernel_h, kernel_w] = weight.kernel;
        let to = divisor(weight.oc4, self.vectors);
        let inputs = kernel_h * weight.ic4;
        let blocks = inputs * (weight.oc4 / to);
        let pixels = divisor(weight.out_w, self.pixels).max(self.pixels / 2);
        let shared = kernel_w.saturating_sub(weight.stride);
        let columns = (pixels - 1) * weight.stride + kernel_w;
        // Spans of columns, so that one long row (a linear layer) can be split as well as many short ones.
        let span = if weight.rows == 1 { weight.out_w.min(64) } else { weight.out_w };
        let spans = weight.rows * weight.out_w.div_ceil(span);
        let parts = (self.threads / blocks).clamp(1, spans);
        let spans_per_part = spans.div_ceil(parts);
        let parts = spans.div_ceil(spans_per_part);
        let kernel = Kernel::new("conv2d_grad_weight")
            .with("F16", weight.f16)
            .with("TO", to)
            .with("LANES", self.lanes)
            .with("BLOCKS", blocks)
            .with("PARTS", parts)
            .with("SPANS", spans)
            .with("SPAN", span)
            .with("SPANS_PER_PART", spans_per_part)
            .with("IC4", weight.ic4)
            .with("OC4", weight.oc4)
            .with("IN_H", weight.in_h)
            .with("IN_W", weight.in_w)
            .with("OUT_H", weight.out_h)
            .with("OUT_W", weight.out_w)
            .with("KERNEL_H", kernel_h)
            .with("KERNEL_W", kernel_w)
            .with("SHARE", self.share.is_some())
            .with("SUBGROUP", self.share.unwrap_or(1))
            .with("PIXELS", pixels)
            .with("HELD", (pixels * to).div_ceil(self.share.unwrap_or(1)))
            .with("SHARED", shared)
            .with("FRESH", columns - shared)
            .with("COLUMNS", columns)
            .with("STRIDE", weight.stride)
            .with("PADDING", weight.padding);
        let groups = match self.share {
            Some(lanes) => parts * (weight.oc4 / to) * inputs.div_ceil(lanes),
            None => (blocks * parts).div_ceil(self.lanes),
        };
        weight.summed(kernel, grid(groups), parts)
    }
}
