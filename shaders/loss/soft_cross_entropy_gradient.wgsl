// Gradient of soft_cross_entropy: OF_TARGET, dz = dy softmax(z) (sum softmax(z) p - p); else
// dp = dy (softmax(p) - softmax(z)). ROWS rows of CHANNELS vec4s, WIDTH elements; a workgroup makes a row.
// Workgroup 64; dispatch grid(ROWS).
//!include common/grid
//!include common/softmax

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> p: array<vec4f>;
@group(0) @binding(2) var<storage, read> z: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> d: array<vec4f>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(workgroup, workgroups);
    let row = min(index, ROWS - 1u); // every workgroup must reach the barriers
    let first = row * CHANNELS;
    let s = row_sums(lane, first);
    if index >= ROWS {
        return;
    }
    for (var c = lane; c < CHANNELS; c += 64u) {
        let a = p[first + c] - s.most_p;
        let soft_z = exp(z[first + c] - s.most_z) / s.sum_z;
//!if OF_TARGET
        let slope = soft_z * (s.mean_p - a);
//!else
        let slope = exp(a) / s.sum_p - soft_z;
//!end
        d[first + c] = select(vec4f(0.0), dy[row] * slope, counted(c));
    }
}
