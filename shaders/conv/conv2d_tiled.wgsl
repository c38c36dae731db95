// y[pixel, n] = sum over taps (j, i) and channels c of x[pixel', c] * w[tap(j, i), c, n] (+ bias[n])
//
// Convolution as an implicit GEMM with tiles in workgroup memory, for GPUs: M = output pixels of all images,
// N = output channels, K = taps x input channels, the channel fastest. It serves what conv2d.wgsl serves, whose head
// says which pixel meets which tap; without +TRANSPOSED the taps are those of the weight, in order.
//
// A workgroup makes BM pixels x BN4 vec4s of channels and walks along K in blocks of BK4 vec4s; a thread makes TM pixels
// x TN4 vec4s, both spread over the tile so that lanes beside each other touch memory beside each other. The loads of a
// block are under way while the block before is multiplied. What lies outside (of an image, of K, of M, of N) is loaded
// as zero and never stored, so multiplying checks nothing.
// Workgroup BM / TM * BN4 / TN4; dispatch grid(TILES_M * TILES_N). Sizes with a 4 are in vec4s.
//
// The x tile keeps channels together, as images do: every access is a whole vec4 and nothing is transposed, where the
// usual k-major tile needs four scalar stores a vector. Threads beside each other read the same pixel of it, so its
// rows need no padding against bank conflicts.

//!include common/remainder
//!include common/grid
//!include common/stored

@group(0) @binding(0) var<storage, read> x: array<Stored>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
//!if BIAS
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<Stored>;
//!else
@group(0) @binding(2) var<storage, read_write> y: array<Stored>;
//!end

const THREADS_N: u32 = BN4 / TN4;
const THREADS: u32 = BM / TM * THREADS_N;
const K: u32 = TAPS_Y * TAPS_X * K4;
const BLOCKS: u32 = (K + BK4 - 1u) / BK4;

var<workgroup> x_tile: array<Stored, BM * BK4>; // [pixel, k in vec4s]
var<workgroup> w_tile: array<vec4f, BK4 * 4u * BN4>; // [k, channels in vec4s]

// Row and column of the tap that the vec4 `k` of K belongs to.
fn tap_of(k: u32) -> vec2u {
    let tap = select(k / K4, 0u, TAPS_Y * TAPS_X == 1u);
    return vec2u(tap / TAPS_X, tap % TAPS_X);
}

// Where output pixel `m` is written.
fn written(m: u32) -> u32 {
//!if DENSE
    return m;
//!else
    let row = m / OUT_W;
    let oy = remainder(row, OUT_H) * OUT_STRIDE + OUT_OFFSET_Y;
    return (row / OUT_H * FULL_H + oy) * FULL_W + remainder(m, OUT_W) * OUT_STRIDE + OUT_OFFSET_X;
//!end
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = flat_workgroup(workgroup, workgroups);
    // The last row of a long dispatch may be longer than needed.
    if group >= TILES_M * TILES_N {
        return;
    }
    // Workgroups that follow each other share pixels: they find them in the cache.
    let m0 = group / TILES_N * BM;
    let n0 = group % TILES_N * BN4;

    // This thread loads the same vec4 of K of several pixels: where their first tap lies in x, and in its image.
    let load_k = lane % BK4;
    var base: array<i32, LOADS_X>;
    var iy: array<i32, LOADS_X>;
    var ix: array<i32, LOADS_X>;
//!repeat L LOADS_X
    {
        let m = m0 + lane / BK4 + L * (THREADS / BK4);
        let row = m / OUT_W;
        let top = i32(remainder(row, OUT_H) * IN_STRIDE) + IN_OFFSET_Y;
        ix[L] = i32(remainder(m, OUT_W) * IN_STRIDE) + IN_OFFSET_X;
        base[L] = ((i32(row / OUT_H * IN_H) + top) * i32(IN_W) + ix[L]) * i32(K4);
        iy[L] = select(i32(IN_H), top, m < ROWS * OUT_W); // below the image: all taps are outside
    }
//!end

    var sum: array<vec4f, TM * TN4>;
    for (var block = 0u; block <= BLOCKS; block++) {
        var new_x: array<Stored, LOADS_X>;
        var new_w: array<vec4f, LOADS_W>;
        if block < BLOCKS {
            {
                let k = block * BK4 + load_k;
                let tap = tap_of(k);
                let step = i32((tap.x * IN_W + tap.y) * K4 + k - (tap.x * TAPS_X + tap.y) * K4);
//!repeat L LOADS_X
                {
                    let inside = u32(iy[L] + i32(tap.x)) < IN_H && u32(ix[L] + i32(tap.y)) < IN_W && k < K;
                    new_x[L] = select(Stored(), x[select(0u, u32(base[L] + step), inside)], inside);
                }
//!end
            }
//!if TRANSPOSED
            // 4 x 4 blocks of w, which has k fastest: turned when they are stored.
//!repeat L BLOCKS_W
            {
                let e = L * THREADS + lane;
                let k = block * BK4 + e / BN4;
                let n = n0 + e % BN4;
                let tap = tap_of(k);
                let ky = u32(TAP_0Y + i32(tap.x) * TAP_STEP);
                let kx = u32(TAP_0X + i32(tap.y) * TAP_STEP);
                let at = ((ky * KERNEL_W + kx) * N4 + n) * 4u * K4 + k - (tap.x * TAPS_X + tap.y) * K4;
                let inside = e < BK4 * BN4 && k < K && n < N4;
//!repeat Q 4
                new_w[L * 4u + Q] = select(vec4f(), w[select(0u, at + Q * K4, inside)], inside);
//!end
            }
//!end
//!else
//!repeat L LOADS_W
            {
                let k = block * BK4 * 4u + lane / BN4 + L * (THREADS / BN4);
                let n = n0 + lane % BN4;
                let inside = k < K * 4u && n < N4;
                new_w[L] = select(vec4f(), w[select(0u, k * N4 + n, inside)], inside);
            }
//!end
//!end
        }
        if block > 0u {
            for (var k = 0u; k < BK4; k++) {
                var a: array<vec4f, TM>;
//!repeat R TM
                a[R] = vec4f(x_tile[(lane / THREADS_N + R * (BM / TM)) * BK4 + k]);
//!end
//!repeat Q 4
//!repeat T TN4
                {
                    let b = w_tile[(k * 4u + Q) * BN4 + lane % THREADS_N + T * THREADS_N];
//!repeat R TM
                    sum[R * TN4 + T] = fma(vec4f(a[R][Q]), b, sum[R * TN4 + T]);
//!end
                }
//!end
//!end
            }
        }
        workgroupBarrier();
//!repeat L LOADS_X
        x_tile[L * THREADS + lane] = new_x[L];
//!end
//!if TRANSPOSED
//!repeat L BLOCKS_W
        if L * THREADS + lane < BK4 * BN4 {
            let e = L * THREADS + lane;
            let at = e / BN4 * 4u * BN4 + e % BN4;
//!repeat Q 4
            w_tile[at + Q * BN4] = vec4f(new_w[L * 4u][Q], new_w[L * 4u + 1u][Q], new_w[L * 4u + 2u][Q], new_w[L * 4u + 3u][Q]);
//!end
        }
//!end
//!else
//!repeat L LOADS_W
        w_tile[L * THREADS + lane] = new_w[L];
//!end
//!end
        workgroupBarrier();
    }

//!repeat R TM
    {
        let m = m0 + lane / THREADS_N + R * (BM / TM);
        if m < ROWS * OUT_W {
            let at = written(m) * N4;
//!repeat T TN4
            {
                let n = n0 + lane % THREADS_N + T * THREADS_N;
                if n < N4 {
//!if BIAS
                    y[at + n] = Stored(sum[R * TN4 + T] + bias[n]);
//!else
                    y[at + n] = Stored(sum[R * TN4 + T]);
//!end
                }
            }
//!end
        }
    }
//!end
}
