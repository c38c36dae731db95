// y = A^T m A of every tile m: the last step of a 3x3 convolution by Winograd's F(2x2, 3x3). A tile makes 2x2 pixels, of which
// those past OUT_H and OUT_W are not stored.
//
// m [16, STRIDE vec4s]: 16 matrices [N * TILES_Y * TILES_X, N4 vec4s] in f32, y [N, OUT_H, OUT_W, N4 vec4s]. A thread makes
// a vec4 of channels of a tile, of which there are VECTORS. Workgroup 64; dispatch grid(ceil(VECTORS / 64)).
//!include common/grid
//!include common/stored

@group(0) @binding(0) var<storage, read> m: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<Stored>;

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
    let left = i / N4 % TILES_X * 2u;
    let top = i / (N4 * TILES_X) % TILES_Y * 2u;
    let image = i / (N4 * TILES_X * TILES_Y);
    // A^T m.
    var t: array<vec4f, 8>;
//!repeat C 4
    {
        let m1 = m[i + (4 + C) * STRIDE];
        let m2 = m[i + (8 + C) * STRIDE];
        t[C] = m[i + C * STRIDE] + m1 + m2;
        t[4 + C] = m1 - m2 - m[i + (12 + C) * STRIDE];
    }
//!end
    let pixel = ((image * OUT_H + top) * OUT_W + left) * N4 + i % N4;
//!repeat R 2
    if top + R < OUT_H {
        y[pixel + R * OUT_W * N4] = Stored(t[R * 4] + t[R * 4 + 1] + t[R * 4 + 2]);
        if left + 1u < OUT_W {
            y[pixel + (R * OUT_W + 1) * N4] = Stored(t[R * 4 + 1] - t[R * 4 + 2] - t[R * 4 + 3]);
        }
    }
//!end
}
