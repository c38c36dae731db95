// dw[ky, kx, c, o] = sum over output pixels (row, ox) of x[row * STRIDE + ky - PADDING, ox * STRIDE + kx - PADDING, c] * dy[row, ox, o]
//
// As a GEMM with tiles in workgroup memory, for GPUs: M = taps x input channels, N = output channels, K = all output
// pixels of the batch. K is huge and the result small, so K is cut into PARTS of PIXELS each, every one summed by other
// workgroups into its own copy of dw (sum_parts adds them).
//
// A workgroup makes BM4 vec4s of M x BN4 vec4s of channels and walks along its pixels in blocks of BK; a thread makes
// TM4 vec4s x TN4 vec4s, an outer product a pixel. The loads of a block are under way while the block before is
// multiplied. What lies outside is loaded as zero and never stored, so multiplying checks nothing.
// Workgroup BM4 / TM4 * BN4 / TN4; dispatch grid(PARTS * TILES_M * TILES_N). Sizes with a 4 are in vec4s.

//!include common/remainder
//!include common/grid
//!include common/stored

@group(0) @binding(0) var<storage, read> x: array<Stored>;
@group(0) @binding(1) var<storage, read> dy: array<Stored>;
@group(0) @binding(2) var<storage, read_write> dw: array<vec4f>;

const THREADS_N: u32 = BN4 / TN4;
const THREADS: u32 = BM4 / TM4 * THREADS_N;
const M4: u32 = KERNEL_H * KERNEL_W * IC4;
const BLOCKS: u32 = PIXELS / BK;

var<workgroup> x_tile: array<Stored, BK * BM4>; // [pixel, M in vec4s]
var<workgroup> dy_tile: array<Stored, BK * BN4>; // [pixel, channels in vec4s]

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = flat_workgroup(workgroup, workgroups);
    // The last row of a long dispatch may be longer than needed.
    if group >= PARTS * TILES_M * TILES_N {
        return;
    }
    // Workgroups that follow each other read the same pixels: they find them in the cache.
    let part = group / (TILES_M * TILES_N);
    let m0 = group / TILES_N % TILES_M * BM4;
    let n0 = group % TILES_N * BN4;
    let first = part * PIXELS;
    let last = min(first + PIXELS, ROWS * OUT_W);

    // This thread loads the same channels of several pixels of a block: of x at one tap, and of dy.
    let m = m0 + lane % BM4;
    let tap = m / IC4;
    let ky = i32(tap / KERNEL_W) - i32(PADDING);
    let kx = i32(tap % KERNEL_W) - i32(PADDING);
    let n = n0 + lane % BN4;

    var sum: array<vec4f, TM4 * 4u * TN4>;
    for (var block = 0u; block <= BLOCKS; block++) {
        var new_x: array<Stored, LOADS_X>;
        var new_dy: array<Stored, LOADS_DY>;
        if block < BLOCKS {
//!repeat L LOADS_X
            {
                let pixel = first + block * BK + lane / BM4 + L * (THREADS / BM4);
                let row = pixel / OUT_W;
                let iy = i32(remainder(row, OUT_H) * STRIDE) + ky;
                let ix = i32(remainder(pixel, OUT_W) * STRIDE) + kx;
                let inside = u32(iy) < IN_H && u32(ix) < IN_W && pixel < last && m < M4;
                let at = ((row / OUT_H * IN_H + u32(iy)) * IN_W + u32(ix)) * IC4 + m % IC4;
                new_x[L] = select(Stored(), x[select(0u, at, inside)], inside);
            }
//!end
//!repeat L LOADS_DY
            {
                let pixel = first + block * BK + lane / BN4 + L * (THREADS / BN4);
                let inside = pixel < last && n < OC4;
                new_dy[L] = select(Stored(), dy[select(0u, pixel * OC4 + n, inside)], inside);
            }
//!end
        }
        if block > 0u {
            for (var k = 0u; k < BK; k++) {
                var b: array<vec4f, TN4>;
//!repeat T TN4
                b[T] = vec4f(dy_tile[k * BN4 + lane % THREADS_N + T * THREADS_N]);
//!end
//!repeat R TM4
                {
                    let a = vec4f(x_tile[k * BM4 + lane / THREADS_N + R * (BM4 / TM4)]);
//!repeat Q 4
//!repeat T TN4
                    sum[(R * 4u + Q) * TN4 + T] = fma(vec4f(a[Q]), b[T], sum[(R * 4u + Q) * TN4 + T]);
//!end
//!end
                }
//!end
            }
        }
        workgroupBarrier();
//!repeat L LOADS_X
        x_tile[L * THREADS + lane] = new_x[L];
//!end
//!repeat L LOADS_DY
        dy_tile[L * THREADS + lane] = new_dy[L];
//!end
        workgroupBarrier();
    }

//!repeat R TM4
    {
        let to_m = m0 + lane / THREADS_N + R * (BM4 / TM4);
//!repeat T TN4
        {
            let to_n = n0 + lane % THREADS_N + T * THREADS_N;
            if to_m < M4 && to_n < OC4 {
                let at = (part * M4 + to_m) * 4u * OC4 + to_n;
//!repeat Q 4
                dw[at + Q * OC4] = sum[(R * 4u + Q) * TN4 + T];
//!end
            }
        }
//!end
    }
//!end
}
