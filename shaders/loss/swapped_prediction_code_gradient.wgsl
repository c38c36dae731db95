// Gradient of swapped_prediction for the codes of two views of HALF images, rows of CHANNELS vec4s with WIDTH elements:
// d = -sum dy (SCALE scores - log_sums) over the rows that the code is predicted from. Of ROWS rows of scores that is the one of the other view
// or, +BOTH, that of every small crop of the image. One vec4 of VECTORS a thread.
// Workgroup 64; dispatch grid(ceil(VECTORS / 64)).
//!include common/grid
//!include common/remainder

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> scores: array<vec4f>;
@group(0) @binding(2) var<storage, read> log_sums: array<f32>;
@group(0) @binding(3) var<storage, read_write> d: array<vec4f>;

fn from_row(row: u32, c: u32) -> vec4f {
    return -dy[row] * (SCALE * scores[row * CHANNELS + c] - log_sums[row]);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if i >= VECTORS {
        return;
    }
    let code = i / CHANNELS;
    let c = remainder(i, CHANNELS);
//!if BOTH
    var sum = vec4f(0.0);
    for (var row = remainder(code, HALF); row < ROWS; row += HALF) {
        sum += from_row(row, c);
    }
//!else
    let sum = from_row(select(code - HALF, code + HALF, code < HALF), c);
//!end
    d[i] = select(vec4f(0.0), sum, vec4u(0u, 1u, 2u, 3u) + 4u * c < vec4u(WIDTH));
}
