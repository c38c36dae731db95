// V = B^T d B of every 4x4 tile d of the input: the first step of a 3x3 convolution by Winograd's F(2x2, 3x3).
// Tiles lie two pixels apart, from IN_OFFSET on; pixels outside the image are zeros.
//
// x [N, IN_H, IN_W, K4 vec4s], v [16, STRIDE vec4s]: for each of the 16 numbers of a transformed tile a matrix
// [N * TILES_Y * TILES_X, K4 vec4s] in f32. A thread makes a vec4 of channels of a tile, of which there are VECTORS.
// Workgroup 64; dispatch grid(ceil(VECTORS / 64)).
//!include common/grid
//!include common/stored

@group(0) @binding(0) var<storage, read> x: array<Stored>;
@group(0) @binding(1) var<storage, read_write> v: array<vec4f>;

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
    let left = i32(i / K4 % TILES_X * 2u) + IN_OFFSET_X;
    let top = i32(i / (K4 * TILES_X) % TILES_Y * 2u) + IN_OFFSET_Y;
    let image = i / (K4 * TILES_X * TILES_Y);
    // A column outside reads the first one and counts as zero; likewise rows.
    var column: array<u32, 4>;
    var inside_x: array<bool, 4>;
//!repeat C 4
    {
        let ix = left + i32(C);
        inside_x[C] = ix >= 0 && ix < i32(IN_W);
        column[C] = select(0u, u32(ix), inside_x[C]) * K4 + i % K4;
    }
//!end
    // Rows of d times B.
    var t: array<vec4f, 16>;
//!repeat R 4
    {
        let iy = top + i32(R);
        let inside_y = iy >= 0 && iy < i32(IN_H);
        let row = (image * IN_H + select(0u, u32(iy), inside_y)) * IN_W * K4;
        let d0 = select(vec4f(), vec4f(x[row + column[0]]), inside_y && inside_x[0]);
        let d1 = select(vec4f(), vec4f(x[row + column[1]]), inside_y && inside_x[1]);
        let d2 = select(vec4f(), vec4f(x[row + column[2]]), inside_y && inside_x[2]);
        let d3 = select(vec4f(), vec4f(x[row + column[3]]), inside_y && inside_x[3]);
        t[R * 4] = d0 - d2;
        t[R * 4 + 1] = d1 + d2;
        t[R * 4 + 2] = d2 - d1;
        t[R * 4 + 3] = d1 - d3;
    }
//!end
//!repeat C 4
    v[i + C * STRIDE] = t[C] - t[8 + C];
    v[i + (4 + C) * STRIDE] = t[4 + C] + t[8 + C];
    v[i + (8 + C) * STRIDE] = t[8 + C] - t[4 + C];
    v[i + (12 + C) * STRIDE] = t[4 + C] - t[12 + C];
//!end
}
