// Gradient of the cosine similarity of a and b with respect to a (for b, exchange the two):
// da = dy (b / (|a| |b|) - cos a / |a|^2), norms at least EPS; the second term is missing where |a| <= EPS.
// ROWS rows of CHANNELS vec4s; a workgroup makes a row. Workgroup 64; dispatch grid(ROWS).
//!include common/grid
//!include common/reduce

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> da: array<vec4f>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(workgroup, workgroups);
    let row = min(index, ROWS - 1u); // every workgroup must reach the barriers
    let first = row * CHANNELS;
    var mine = vec4f(0.0);
    for (var c = lane; c < CHANNELS; c += 64u) {
        let u = a[first + c];
        let v = b[first + c];
        mine += vec4f(dot(u, v), dot(u, u), dot(v, v), 0.0);
    }
    let sums = workgroup_sum(lane, mine);
    let length = sqrt(sums.y);
    let scale = 1.0 / (max(length, EPS) * max(sqrt(sums.z), EPS));
    var pull = 0.0;
    if length > EPS {
        pull = sums.x / sums.y;
    }
    if index < ROWS {
        for (var c = lane; c < CHANNELS; c += 64u) {
            da[first + c] = dy[row] * scale * (b[first + c] - a[first + c] * pull);
        }
    }
}
