// The other half of a round of Sinkhorn: a[r] = -log(sum over k of exp(SCALE scores[r, k] + b[part of r, k])), of PARTS parts of ROWS rows of
// CHANNELS vec4s, WIDTH elements of which count. +CODES: after the last round, codes[r, k] = exp(SCALE scores[r, k] + b[part, k] + a[r]).
// A workgroup makes a row. Workgroup 64; dispatch grid(PARTS * ROWS).
//!include common/grid
//!include common/exp_sum

@group(0) @binding(0) var<storage, read> scores: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
//!if CODES
@group(0) @binding(2) var<storage, read_write> codes: array<vec4f>;
//!else
@group(0) @binding(2) var<storage, read_write> a: array<f32>;
//!end

fn term(row: u32, c: u32) -> vec4f {
    let v = SCALE * scores[row * CHANNELS + c] + b[row / ROWS * CHANNELS + c];
    return select(vec4f(LEAST), v, vec4u(0u, 1u, 2u, 3u) + 4u * c < vec4u(WIDTH));
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(workgroup, workgroups);
    let row = min(index, PARTS * ROWS - 1u); // every workgroup must reach the barriers
    let e = exp_sum(lane, row);
    if index >= PARTS * ROWS {
        return;
    }
//!if CODES
    for (var c = lane; c < CHANNELS; c += 64u) {
        codes[row * CHANNELS + c] = exp(term(row, c) - e.most) / e.sum;
    }
//!else
    if lane == 0u {
        a[row] = -(log(e.sum) + e.most);
    }
//!end
}
