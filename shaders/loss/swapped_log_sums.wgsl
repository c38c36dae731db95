// y = log sum exp(SCALE scores) of each of ROWS rows of CHANNELS vec4s with WIDTH elements, and 0 in what pads y up to STORED_ROWS.
// A workgroup makes a row. Workgroup 64; dispatch grid(STORED_ROWS).
//!include common/grid
//!include common/exp_sum

@group(0) @binding(0) var<storage, read> scores: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

fn term(row: u32, c: u32) -> vec4f {
    return select(vec4f(LEAST), SCALE * scores[row * CHANNELS + c], vec4u(0u, 1u, 2u, 3u) + 4u * c < vec4u(WIDTH));
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(workgroup, workgroups);
    let row = min(index, ROWS - 1u); // every workgroup must reach the barriers
    let e = exp_sum(lane, row);
    if lane == 0u && index < STORED_ROWS {
        y[index] = select(0.0, log(e.sum) + e.most, index < ROWS);
    }
}
