// dw[ky, kx, c, o] = sum over output pixels (row, ox) of x[row * STRIDE + ky - PADDING, ox * STRIDE + kx - PADDING, c] * dy[row, ox, o]
//
// conv2d_grad_weight_tiled.wgsl (whose head says which matrix is M, N and K, and what the parts are) with cooperative
// matrices: products of f16 are summed in f32 where the adapter can.
//
// A workgroup makes BM4 vec4s of M x BN4 vec4s of channels and walks along its pixels in blocks of BK; its WAVES subgroups
// make WAVES / WAVES_N x WAVES_N rectangles of FM x FN matrices. The loads of a block are under way while the block before
// is multiplied. What lies outside is loaded as zero and never stored.
// Workgroup THREADS = WAVES x the largest subgroup; dispatch grid(PARTS * TILES_M * TILES_N). Sizes with a 4 are in vec4s.
// Rows of the tiles are eight numbers longer than needed: see conv2d_coop.wgsl.

//!include common/grid
//!include common/stored
//!include common/coop

@group(0) @binding(0) var<storage, read> x: array<Stored>;
@group(0) @binding(1) var<storage, read> dy: array<Stored>;
@group(0) @binding(2) var<storage, read_write> dw: array<vec4f>;

const M4: u32 = KERNEL_H * KERNEL_W * IC4;
const BLOCKS: u32 = PIXELS / BK;
const LDM: u32 = BM4 * 4u + 8u;
const LDN: u32 = BN4 * 4u + 8u;

var<workgroup> x_tile: array<f16, BK * LDM>; // [pixel, M]
var<workgroup> dy_tile: array<f16, BK * LDN>; // [pixel, channel]

// What a thread loads of the block of pixels from `at` on, below `last`: of x at the taps of M, from the vec4 `m0` on.
fn load_x(at: u32, last: u32, m0: u32, lane: u32) -> array<vec4<f16>, LOADS_X> {
    var loaded: array<vec4<f16>, LOADS_X>;
//!repeat L LOADS_X
    {
        let pixel = at + (L * THREADS + lane) / BM4;
        let m = m0 + (L * THREADS + lane) % BM4;
        let tap = m / IC4;
        let row = pixel / OUT_W;
        let iy = i32(row % OUT_H * STRIDE + tap / KERNEL_W) - i32(PADDING);
        let ix = i32(pixel % OUT_W * STRIDE + tap % KERNEL_W) - i32(PADDING);
        let inside = u32(iy) < IN_H && u32(ix) < IN_W && pixel < last && m < M4;
        let place = ((row / OUT_H * IN_H + u32(iy)) * IN_W + u32(ix)) * IC4 + m % IC4;
        loaded[L] = select(vec4<f16>(), vec4<f16>(x[select(0u, place, inside)]), inside);
    }
//!end
    return loaded;
}

// The same of dy, from the vec4 `n0` of its channels on.
fn load_dy(at: u32, last: u32, n0: u32, lane: u32) -> array<vec4<f16>, LOADS_DY> {
    var loaded: array<vec4<f16>, LOADS_DY>;
//!repeat L LOADS_DY
    {
        let pixel = at + (L * THREADS + lane) / BN4;
        let n = n0 + (L * THREADS + lane) % BN4;
        let inside = pixel < last && n < OC4;
        loaded[L] = select(vec4<f16>(), vec4<f16>(dy[select(0u, pixel * OC4 + n, inside)]), inside);
    }
//!end
    return loaded;
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    // The last row of a long dispatch may be longer than needed: those workgroups redo the last tile and do not store it,
    // as matrices need uniform control flow and naga takes a return for the opposite.
    let wanted = flat_workgroup(workgroup, workgroups);
    let group = min(wanted, PARTS * TILES_M * TILES_N - 1u);
    let part = group / (TILES_M * TILES_N);
    let m0 = group / TILES_N % TILES_M * BM4;
    let n0 = group % TILES_N * BN4;
    let first = part * PIXELS;
    let last = min(first + PIXELS, ROWS * OUT_W);
    let wave = min(subgroup, WAVES - 1u);
    let wave_m = wave / WAVES_N * (FM * SIZE);
    let wave_n = wave % WAVES_N * (FN * SIZE);

//!repeat R FM
//!repeat T FN
    var sum__R__T: MatrixC;
//!end
//!end
    var new_x = load_x(first, last, m0, lane);
    var new_dy = load_dy(first, last, n0, lane);
    for (var block = 0u; block < BLOCKS; block++) {
        workgroupBarrier();
//!repeat L LOADS_X
        {
            let at = (L * THREADS + lane) / BM4 * LDM + (L * THREADS + lane) % BM4 * 4u;
//!repeat Q 4
            x_tile[at + Q] = new_x[L][Q];
//!end
        }
//!end
//!repeat L LOADS_DY
        {
            let at = (L * THREADS + lane) / BN4 * LDN + (L * THREADS + lane) % BN4 * 4u;
//!repeat Q 4
            dy_tile[at + Q] = new_dy[L][Q];
//!end
        }
//!end
        workgroupBarrier();
        // Past the end these are zeros.
        new_x = load_x(first + (block + 1u) * BK, last, m0, lane);
        new_dy = load_dy(first + (block + 1u) * BK, last, n0, lane);
//!repeat J STEPS
        {
            let stride_x = LDM;
            let stride_dy = LDN;
//!repeat R FM
            let at_a__R = J * SIZE * LDM + wave_m + R * SIZE;
            let a__R = coopLoad<MatrixA>(&x_tile[at_a__R], stride_x);
//!end
//!repeat T FN
            let at_b__T = J * SIZE * LDN + wave_n + T * SIZE;
            let b__T = coopLoadT<MatrixB>(&dy_tile[at_b__T], stride_dy);
//!repeat R FM
            sum__R__T = coopMultiplyAdd(a__R, b__T, sum__R__T);
//!end
//!end
        }
//!end
    }

    let mine = min(subgroup, WAVES) * (SIZE * SIZE);
    let patch_stride = SIZE;
//!repeat R FM
//!repeat T FN
    coopStoreT(sum__R__T, &patches[mine], patch_stride);
    workgroupBarrier();
    for (var e = lane; e < WAVES * SIZE * SIZE / 4u; e += THREADS) {
        let owner = e / (SIZE * SIZE / 4u);
        let m = m0 * 4u + (owner / WAVES_N * FM + R) * SIZE + e / (SIZE / 4u) % SIZE;
        let n = n0 + (owner % WAVES_N * FN + T) * (SIZE / 4u) + e % (SIZE / 4u);
        if m < M4 * 4u && n < OC4 && wanted == group {
            dw[(part * M4 * 4u + m) * OC4 + n] = patch_vector(e * 4u);
        }
    }
    workgroupBarrier();
//!end
//!end
}
