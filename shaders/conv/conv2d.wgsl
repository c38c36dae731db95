// y[row, ox, n] = sum over taps (j, i) and channels c of x[row', ox', c] * w[tap(j, i), c, n] (+ bias[n])
//
// Convolution as an implicit GEMM: M = output pixels, N = output channels, K = taps x input channels. It serves
//   - the forward pass (x = input);
//   - the input gradient (x = dy, +TRANSPOSED: w is read as [tap, n, c]), one dispatch per phase of the stride;
//   - linear layers and A * B^T (one row of M pixels, one tap).
// Output pixel t of an axis reads input t * IN_STRIDE + tap + IN_OFFSET (zero outside) with weight tap
// TAP_0 + tap * TAP_STEP, and is written at t * OUT_STRIDE + OUT_OFFSET.
//
// A thread makes TY rows x TX columns x TN vec4 of channels in registers; neighbouring columns share the inputs they
// load. No workgroup memory: a software driver pays dearly for barriers.
// Workgroup LANES_P x LANES_N; dispatch grid(ceil(TILES / LANES_P)) in x and y, ceil(N4 / TN / LANES_N) in z.
// +SHARE: all lanes of a subgroup (SUBGROUP of them, all active) use the same weights, so each loads some and the others
// read them from its register; LANES_N is 1.
// Sizes with a 4 are in vec4s. Rows run over all images: row = image * OUT_H + oy.

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

// Four input channels times a 4x4 block of weights.
fn multiply(sum: vec4f, a: vec4f, b0: vec4f, b1: vec4f, b2: vec4f, b3: vec4f) -> vec4f {
//!if TRANSPOSED
    return sum + vec4f(dot(a, b0), dot(a, b1), dot(a, b2), dot(a, b3));
//!else
    return fma(a.wwww, b3, fma(a.zzzz, b2, fma(a.yyyy, b1, fma(a.xxxx, b0, sum))));
//!end
}

@compute @workgroup_size(LANES_P, LANES_N)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_id) local: vec3u,
//!if SHARE
    @builtin(subgroup_invocation_id) lane: u32,
//!end
) {
    let wanted = flat_workgroup(workgroup, workgroups) * LANES_P + local.x;
    let n = (workgroup.z * LANES_N + local.y) * TN;
//!if SHARE
    // Every lane takes part in the exchange of weights; those past the end redo the last tile and do not store it.
    let tile = min(wanted, TILES_X * TILES_Y - 1u);
//!else
    let tile = wanted;
    if tile >= TILES_X * TILES_Y || n >= N4 {
        return;
    }
//!end
    let ox = (tile % TILES_X) * TX;
    let row = (tile / TILES_X) * TY;

    var sum: array<vec4f, TY * TX * TN>;

    // Where each input column lies in its row; a column outside reads the first one and counts as zero.
    var column: array<u32, COLUMNS>;
    var inside_x: array<bool, COLUMNS>;
//!repeat C COLUMNS
    {
        let ix = i32(ox * IN_STRIDE + C) + IN_OFFSET_X;
        inside_x[C] = ix >= 0 && ix < i32(IN_W);
        column[C] = select(0u, u32(ix), inside_x[C]) * K4;
    }
//!end

    for (var j = 0u; j < TAPS_Y; j++) {
        var base: array<u32, TY>;
        var inside_y: array<bool, TY>;
//!repeat R TY
        {
            let image = (row + R) / OUT_H;
            let iy = i32(remainder(row + R, OUT_H) * IN_STRIDE + j) + IN_OFFSET_Y;
            inside_y[R] = iy >= 0 && iy < i32(IN_H) && row + R < ROWS;
            base[R] = select(0u, (image * IN_H + u32(iy)) * IN_W * K4, inside_y[R]);
        }
//!end
        let tap_y = u32(TAP_0Y + i32(j) * TAP_STEP) * KERNEL_W;
//!if SHARE
        // The SHARED weight vectors of a step, spread over the lanes of a subgroup: this lane's are w[held[..] + k * STEP].
        var held: array<u32, HELD>;
//!repeat H HELD
        {
            let e = min(H * SUBGROUP + lane, SHARED - 1u);
            let tap = tap_y + u32(TAP_0X + i32(e / (TN * 4u)) * TAP_STEP);
//!if TRANSPOSED
            held[H] = ((tap * N4 + n + e / 4u % TN) * 4u + e % 4u) * K4;
//!else
            held[H] = (tap * K4 * 4u + e % 4u) * N4 + n + e / 4u % TN;
//!end
        }
//!end
//!end
        for (var k = 0u; k < K4; k++) {
            var a: array<vec4f, TY * COLUMNS>;
//!repeat R TY
//!repeat C COLUMNS
            a[R * COLUMNS + C] = select(vec4f(), vec4f(x[base[R] + column[C] + k]), inside_x[C] && inside_y[R]);
//!end
//!end
//!if SHARE
            var b: array<vec4f, HELD>;
//!repeat H HELD
//!if TRANSPOSED
            b[H] = w[held[H] + k];
//!else
            b[H] = w[held[H] + k * 4u * N4];
//!end
//!end
//!end
//!repeat I TAPS_X
//!repeat T TN
            {
//!if SHARE
                let b0 = subgroupBroadcast(b[(I * TN + T) * 4u / SUBGROUP], (I * TN + T) * 4u % SUBGROUP);
                let b1 = subgroupBroadcast(b[(I * TN + T) * 4u / SUBGROUP], (I * TN + T) * 4u % SUBGROUP + 1u);
                let b2 = subgroupBroadcast(b[(I * TN + T) * 4u / SUBGROUP], (I * TN + T) * 4u % SUBGROUP + 2u);
                let b3 = subgroupBroadcast(b[(I * TN + T) * 4u / SUBGROUP], (I * TN + T) * 4u % SUBGROUP + 3u);
//!else
                let tap = tap_y + u32(TAP_0X + i32(I) * TAP_STEP);
//!if TRANSPOSED
                let at = (tap * N4 + n + T) * 4u * K4 + k;
                let b0 = w[at];
                let b1 = w[at + K4];
                let b2 = w[at + 2u * K4];
                let b3 = w[at + 3u * K4];
//!else
                let at = (tap * K4 + k) * 4u * N4 + n + T;
                let b0 = w[at];
                let b1 = w[at + N4];
                let b2 = w[at + 2u * N4];
                let b3 = w[at + 3u * N4];
//!end
//!end
//!repeat R TY
//!repeat P TX
                sum[(R * TX + P) * TN + T] = multiply(sum[(R * TX + P) * TN + T], a[R * COLUMNS + P * IN_STRIDE + I], b0, b1, b2, b3);
//!end
//!end
            }
//!end
//!end
        }
    }

//!if SHARE
    if wanted != tile {
        return;
    }
//!end
//!repeat R TY
    if row + R < ROWS {
        let image = (row + R) / OUT_H;
        let oy = remainder(row + R, OUT_H) * OUT_STRIDE + OUT_OFFSET_Y;
        let pixel = (image * FULL_H + oy) * FULL_W + ox * OUT_STRIDE + OUT_OFFSET_X;
//!repeat P TX
        if ox + P < OUT_W {
//!repeat T TN
//!if BIAS
            y[(pixel + P * OUT_STRIDE) * N4 + n + T] = Stored(sum[(R * TX + P) * TN + T] + bias[n + T]);
//!else
            y[(pixel + P * OUT_STRIDE) * N4 + n + T] = Stored(sum[(R * TX + P) * TN + T]);
//!end
//!end
        }
//!end
    }
//!end
}
