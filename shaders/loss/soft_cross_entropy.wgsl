// y = -sum softmax(z) log softmax(p) = log sum exp(p) - sum softmax(z) p for each of ROWS rows of CHANNELS vec4s, WIDTH
// elements. A workgroup makes a row, those past ROWS the padding of y up to STORED_ROWS.
// Workgroup 64; dispatch grid(STORED_ROWS).
//!include common/grid
//!include common/softmax

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
    let s = row_sums(lane, first);
    if lane == 0u && index < STORED_ROWS {
        y[index] = select(0.0, log(s.sum_p) - s.mean_p, index < ROWS);
    }
}
