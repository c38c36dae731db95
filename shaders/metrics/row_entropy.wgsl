// y = the entropy of x / sum x, for each of ROWS rows of CHANNELS vec4s that are 0 or more: log(sum x) - sum x log x / sum x.
// A workgroup makes a row, those past ROWS the padding of y up to STORED_ROWS. Workgroup 64; dispatch grid(STORED_ROWS).
//!include common/grid
//!include common/reduce

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(workgroup, workgroups);
    let row = min(index, ROWS - 1u); // every workgroup must reach the barriers
    var mine = vec4f(0.0);
    for (var c = lane; c < CHANNELS; c += 64u) {
        let v = x[row * CHANNELS + c];
        mine += vec4f(dot(v, vec4f(1.0)), dot(v, log(max(v, vec4f(1e-30)))), 0.0, 0.0);
    }
    let sums = workgroup_sum(lane, mine);
    if lane == 0u && index < STORED_ROWS {
        y[index] = select(0.0, log(sums.x) - sums.y / sums.x, index < ROWS);
    }
}
