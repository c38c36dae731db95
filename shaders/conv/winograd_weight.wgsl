// U = G g G^T of every 3x3 kernel g: what the tiles of `winograd_input` are multiplied by.
//
// w [3, 3, VECTORS vec4s]; tap (j, i) of g is tap (TAP_0Y + j * TAP_STEP, TAP_0X + i * TAP_STEP) of w. u [16, STRIDE vec4s]:
// the 16 numbers of a transformed kernel, each a matrix as a tap of w is one. A thread makes a vec4 of each.
// Workgroup 64; dispatch grid(ceil(VECTORS / 64)).
//!include common/grid

@group(0) @binding(0) var<storage, read> w: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> u: array<vec4f>;

fn tap(j: u32, i: u32) -> u32 {
    return u32((TAP_0Y + i32(j) * TAP_STEP) * 3 + TAP_0X + i32(i) * TAP_STEP) * VECTORS;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if i >= VECTORS {
        return;
    }
    // Rows of g times G^T.
    var t: array<vec4f, 12>;
//!repeat R 3
    {
        let g0 = w[tap(R, 0u) + i];
        let g1 = w[tap(R, 1u) + i];
        let g2 = w[tap(R, 2u) + i];
        t[R * 4] = g0;
        t[R * 4 + 1] = 0.5 * (g0 + g1 + g2);
        t[R * 4 + 2] = 0.5 * (g0 - g1 + g2);
        t[R * 4 + 3] = g2;
    }
//!end
//!repeat C 4
    u[i + C * STRIDE] = t[C];
    u[i + (4 + C) * STRIDE] = 0.5 * (t[C] + t[4 + C] + t[8 + C]);
    u[i + (8 + C) * STRIDE] = 0.5 * (t[C] - t[4 + C] + t[8 + C]);
    u[i + (12 + C) * STRIDE] = t[8 + C];
//!end
}
