// y = -sum q log softmax(SCALE scores) for each of ROWS rows, where q are the codes of other views of the same image (common/swapped).
// A workgroup makes a row, those past ROWS the padding of y up to STORED_ROWS. Workgroup 64; dispatch grid(STORED_ROWS).
//!include common/grid
//!include common/swapped

@group(0) @binding(0) var<storage, read> scores: array<vec4f>;
@group(0) @binding(1) var<storage, read> codes: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(workgroup, workgroups);
    let p = prediction(lane, min(index, ROWS - 1u)); // every workgroup must reach the barriers
    if lane == 0u && index < STORED_ROWS {
        y[index] = select(0.0, p.total * log(p.sum) - p.along, index < ROWS);
    }
}
