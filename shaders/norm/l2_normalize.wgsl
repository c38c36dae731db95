// y = x / max(|x|, EPS) for each of ROWS rows of CHANNELS vec4s, torch.nn.functional.normalize.
// A workgroup makes a row. Workgroup 64; dispatch grid(ROWS).
//!include common/grid
//!include common/reduce

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(workgroup, workgroups);
    let row = min(index, ROWS - 1u); // every workgroup must reach the barriers
    let first = row * CHANNELS;
    var square = vec4f(0.0);
    for (var c = lane; c < CHANNELS; c += 64u) {
        square += x[first + c] * x[first + c];
    }
    let norm = sqrt(dot(workgroup_sum(lane, square), vec4f(1.0)));
    if index < ROWS {
        for (var c = lane; c < CHANNELS; c += 64u) {
            y[first + c] = x[first + c] / max(norm, EPS);
        }
    }
}
