//! Convolutions (forward and input gradient), linear layers and A·Bᵀ as one kind of GEMM: this file says which pixels meet
//! which weights. Three kernels compute it: `conv2d.wgsl` in registers (`implicit_gemm_register`), `conv2d_tiled.wgsl` in
//! workgroup memory (`implicit_gemm_tiled`), `conv2d_coop.wgsl` with cooperative matrices (`conv2d_coop`); a convolution of 3x3
//! taps may also go through products of transformed tiles (`implicit_gemm_winograd`).

use crate::gpu::Kernel;

/// One axis of an image: output pixel `t` reads inputs `t * in_stride + tap + in_offset`, `tap` below `taps`, with weight
/// tap `tap_0 + tap * tap_step`, and is written at `t * out_stride + out_offset`.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops) struct ConvAxis {
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

impl ConvAxis {
    /// The forward pass of a convolution.
    pub fn forward(input: usize, kernel: usize, stride: usize, padding: usize) -> ConvAxis {
        let output = (input + 2 * padding - kernel) / stride + 1;
        ConvAxis {
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
    pub fn backward(input: usize, kernel: usize, stride: usize, padding: usize, phase: usize) -> ConvAxis {
        let forward = ConvAxis::forward(input, kernel, stride, padding);
        // Pixel x = phase + stride * t meets output o through tap k where o * stride + k - padding = x, so
        // k = first + stride * j and o = t + (phase + padding - first) / stride - j. Taps run backward, so that o ascends.
        let first = (phase + padding) % stride;
        let taps = (kernel + stride - 1 - first.min(kernel + stride - 1)) / stride;
        let last = taps as i32 - 1;
        ConvAxis {
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

/// What a kernel computes.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops) struct ImplicitGemm {
    pub images: usize,
    pub y: ConvAxis,
    pub x: ConvAxis,
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

impl ImplicitGemm {
    /// Output rows of all images.
    pub fn rows(&self) -> usize {
        self.images * self.y.output
    }

    /// Taps of each axis. A phase of the input gradient that no tap reaches is all zeros: no rows of taps.
    pub fn taps(&self) -> [usize; 2] {
        match self.y.taps * self.x.taps {
            0 => [0, 1],
            _ => [self.y.taps, self.x.taps],
        }
    }

    /// A kernel of `shader` with the constants that say what is computed.
    pub fn kernel(&self, shader: &'static str) -> Kernel {
        let [taps_y, taps_x] = self.taps();
        Kernel::new(shader)
            .with("TRANSPOSED", self.transposed)
            .with("BIAS", self.bias)
            .with("F16", self.f16)
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
            .with("TAP_0Y", self.y.tap_0)
            .with("TAP_0X", self.x.tap_0)
            .with("TAP_STEP", self.x.tap_step)
            .with("IN_STRIDE", self.x.in_stride)
            .with("IN_OFFSET_Y", self.y.in_offset)
            .with("IN_OFFSET_X", self.x.in_offset)
            .with("OUT_STRIDE", self.x.out_stride)
            .with("OUT_OFFSET_Y", self.y.out_offset)
            .with("OUT_OFFSET_X", self.x.out_offset)
    }
}
