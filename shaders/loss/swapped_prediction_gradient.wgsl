// Gradient of swapped_prediction for the scores: d = dy SCALE (softmax(SCALE scores) sum q - q) of each of ROWS rows. The codes have none.
// A workgroup makes a row. Workgroup 64; dispatch grid(ROWS).
//!include common/grid
//!include common/swapped

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> scores: array<vec4f>;
@group(0) @binding(2) var<storage, read> codes: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> d: array<vec4f>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(workgroup, workgroups);
    let row = min(index, ROWS - 1u); // every workgroup must reach the barriers
    let p = prediction(lane, row);
    if index >= ROWS {
        return;
    }
    let slope = dy[row] * SCALE;
    for (var c = lane; c < CHANNELS; c += 64u) {
        let at = row * CHANNELS + c;
        let soft = exp(SCALE * scores[at] - p.most) / p.sum;
        d[at] = select(vec4f(0.0), slope * (p.total * soft - code(row, c)), counted(c));
    }
}
