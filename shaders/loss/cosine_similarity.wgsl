// y = p . z / (max(|p|, EPS) max(|z|, EPS)) for each of ROWS rows of CHANNELS vec4s, torch cosine_similarity.
// A workgroup makes a row, those past ROWS the padding of y up to STORED_ROWS.
// Workgroup 64; dispatch grid(STORED_ROWS).
//!include common/grid
//!include common/reduce

@group(0) @binding(0) var<storage, read> p: array<vec4f>;
@group(0) @binding(1) var<storage, read> z: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

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
        let a = p[first + c];
        let b = z[first + c];
        mine += vec4f(dot(a, b), dot(a, a), dot(b, b), 0.0);
    }
    let sums = workgroup_sum(lane, mine);
    if lane == 0u && index < STORED_ROWS {
        let cosine = sums.x / (max(sqrt(sums.y), EPS) * max(sqrt(sums.z), EPS));
        y[index] = select(0.0, cosine, index < ROWS);
    }
}
