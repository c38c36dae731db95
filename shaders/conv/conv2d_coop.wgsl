// y[pixel, n] = sum over taps (j, i) and channels c of x[pixel', c] * w[tap(j, i), c, n] (+ bias[n])
//
// conv2d_tiled.wgsl (whose head says which matrix is M, N and K) with cooperative matrices: weights are rounded to f16 when
// they are staged in workgroup memory, products are summed in f32 where the adapter can.
//
// A workgroup makes BM pixels x BN4 vec4s of channels and walks along K in blocks of BK4 vec4s; its WAVES subgroups make
// WAVES / WAVES_N x WAVES_N rectangles of FM x FN matrices. The loads of a block are under way while the block before is
// multiplied. What lies outside is loaded as zero and never stored.
// Workgroup THREADS = WAVES x the largest subgroup; dispatch grid(TILES_M * TILES_N). Sizes with a 4 are in vec4s.
// The weight is staged as it lies, [k, n], or with +TRANSPOSED [n, k]: a matrix is loaded either way. Rows of the tiles are
// eight numbers longer than needed, against bank conflicts, and begin at multiples of 16 bytes, as drivers require.

//!include common/grid
//!include common/stored
//!include common/coop

@group(0) @binding(0) var<storage, read> x: array<Stored>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
//!if BIAS
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<Stored>;
//!else
@group(0) @binding(2) var<storage, read_write> y: array<Stored>;
//!end

const K: u32 = TAPS_Y * TAPS_X * K4;
const BLOCKS: u32 = (K + BK4 - 1u) / BK4;
const LDK: u32 = BK4 * 4u + 8u;
//!if TRANSPOSED
const LDW: u32 = LDK;
const ROWS_W: u32 = BN4 * 4u;
//!else
const LDW: u32 = BN4 * 4u + 8u;
const ROWS_W: u32 = BK4 * 4u;
//!end

var<workgroup> x_tile: array<f16, BM * LDK>; // [pixel, k]
var<workgroup> w_tile: array<f16, ROWS_W * LDW>;

// Row and column of the tap that the vec4 `k` of K belongs to.
fn tap_of(k: u32) -> vec2u {
    let tap = select(k / K4, 0u, TAPS_Y * TAPS_X == 1u);
    return vec2u(tap / TAPS_X, tap % TAPS_X);
}

// Where output pixel `m` is written.
fn written(m: u32) -> u32 {
    let row = m / OUT_W;
    let oy = row % OUT_H * OUT_STRIDE + OUT_OFFSET_Y;
    return (row / OUT_H * FULL_H + oy) * FULL_W + m % OUT_W * OUT_STRIDE + OUT_OFFSET_X;
}

// What a thread loads of a block: a vec4 of K of several pixels, `load` counted in all of K. Each has the place of its
// pixel's first tap in x, and in its image.
fn load_x(load: u32, base: array<i32, LOADS_X>, iy: array<i32, LOADS_X>, ix: array<i32, LOADS_X>) -> array<vec4<f16>, LOADS_X> {
    let tap = tap_of(load);
    let step = i32((tap.x * IN_W + tap.y) * K4 + load - (tap.x * TAPS_X + tap.y) * K4);
    var loaded: array<vec4<f16>, LOADS_X>;
//!repeat L LOADS_X
    {
        let inside = u32(iy[L] + i32(tap.x)) < IN_H && u32(ix[L] + i32(tap.y)) < IN_W && load < K;
        loaded[L] = select(vec4<f16>(), vec4<f16>(x[select(0u, u32(base[L] + step), inside)]), inside);
    }
//!end
    return loaded;
}

// The same of the weight, for channels from the vec4 `n0` on.
fn load_w(block: u32, n0: u32, lane: u32) -> array<vec4<f16>, LOADS_W> {
    var loaded: array<vec4<f16>, LOADS_W>;
//!if TRANSPOSED
    let load = block * BK4 + lane % BK4;
    let tap = tap_of(load);
    let ky = u32(TAP_0Y + i32(tap.x) * TAP_STEP);
    let kx = u32(TAP_0X + i32(tap.y) * TAP_STEP);
//!repeat L LOADS_W
    {
        let n = n0 * 4u + lane / BK4 + L * (THREADS / BK4);
        let inside = load < K && n < N4 * 4u;
        let at = ((ky * KERNEL_W + kx) * N4 * 4u + n) * K4 + load - (tap.x * TAPS_X + tap.y) * K4;
        loaded[L] = select(vec4<f16>(), vec4<f16>(w[select(0u, at, inside)]), inside);
    }
//!end
//!else
//!repeat L LOADS_W
    {
        let k = block * BK4 * 4u + (L * THREADS + lane) / BN4;
        let n = n0 + (L * THREADS + lane) % BN4;
        let inside = k < K * 4u && n < N4;
        loaded[L] = select(vec4<f16>(), vec4<f16>(w[select(0u, k * N4 + n, inside)]), inside);
    }
//!end
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
    let group = min(wanted, TILES_M * TILES_N - 1u);
    let m0 = group / TILES_N * BM;
    let n0 = group % TILES_N * BN4;
    let wave = min(subgroup, WAVES - 1u);
    let wave_m = wave / WAVES_N * (FM * SIZE);
    let wave_n = wave % WAVES_N * (FN * SIZE);

    let load_k = lane % BK4;
    var base: array<i32, LOADS_X>;
    var iy: array<i32, LOADS_X>;
    var ix: array<i32, LOADS_X>;
//!repeat L LOADS_X
    {
        let m = m0 + lane / BK4 + L * (THREADS / BK4);
        let row = m / OUT_W;
        let top = i32(row % OUT_H * IN_STRIDE) + IN_OFFSET_Y;
        ix[L] = i32(m % OUT_W * IN_STRIDE) + IN_OFFSET_X;
        base[L] = ((i32(row / OUT_H * IN_H) + top) * i32(IN_W) + ix[L]) * i32(K4);
        iy[L] = select(i32(IN_H), top, m < ROWS * OUT_W); // below the image: all taps are outside
    }
//!end

//!repeat R FM
//!repeat T FN
    var sum__R__T: MatrixC;
//!end
//!end
    var new_x = load_x(load_k, base, iy, ix);
    var new_w = load_w(0u, n0, lane);
    for (var block = 0u; block < BLOCKS; block++) {
        workgroupBarrier();
//!repeat L LOADS_X
        {
            let at = (lane / BK4 + L * (THREADS / BK4)) * LDK + load_k * 4u;
//!repeat Q 4
            x_tile[at + Q] = new_x[L][Q];
//!end
        }
//!end
//!repeat L LOADS_W
        {
//!if TRANSPOSED
            let at = (lane / BK4 + L * (THREADS / BK4)) * LDW + load_k * 4u;
//!else
            let at = (L * THREADS + lane) / BN4 * LDW + (L * THREADS + lane) % BN4 * 4u;
//!end
//!repeat Q 4
            w_tile[at + Q] = new_w[L][Q];
//!end
        }
//!end
        workgroupBarrier();
        // Past the end these are zeros.
        new_x = load_x((block + 1u) * BK4 + load_k, base, iy, ix);
        new_w = load_w(block + 1u, n0, lane);
//!repeat J STEPS
        {
            let stride_x = LDK;
            let stride_w = LDW;
//!repeat R FM
            let at_a__R = (wave_m + R * SIZE) * LDK + J * SIZE;
            let a__R = coopLoadT<MatrixA>(&x_tile[at_a__R], stride_x);
//!end
//!repeat T FN
//!if TRANSPOSED
            let at_b__T = (wave_n + T * SIZE) * LDW + J * SIZE;
            let b__T = coopLoad<MatrixB>(&w_tile[at_b__T], stride_w);
//!else
            let at_b__T = J * SIZE * LDW + wave_n + T * SIZE;
            let b__T = coopLoadT<MatrixB>(&w_tile[at_b__T], stride_w);
//!end
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
        let m = m0 + (owner / WAVES_N * FM + R) * SIZE + e / (SIZE / 4u) % SIZE;
        let n = n0 + (owner % WAVES_N * FN + T) * (SIZE / 4u) + e % (SIZE / 4u);
        if m < ROWS * OUT_W && n < N4 && wanted == group {
//!if BIAS
            y[written(m) * N4 + n] = Stored(patch_vector(e * 4u) + bias[n]);
//!else
            y[written(m) * N4 + n] = Stored(patch_vector(e * 4u));
//!end
        }
    }
    workgroupBarrier();
//!end
//!end
}
