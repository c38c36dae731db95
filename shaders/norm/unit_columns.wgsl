// Scales every column of w, ROWS rows of CHANNELS vec4s, to unit length in place; one shorter than EPS by 1 / EPS.
// A workgroup makes 8 vec4 columns with 8 lanes each, lane = 8 * row lane + column lane. Workgroup 64; dispatch grid(ceil(CHANNELS / 8)).
//!include common/grid
//!include common/reduce

@group(0) @binding(0) var<storage, read_write> w: array<vec4f>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let wanted = flat_workgroup(workgroup, workgroups) * 8u + lane % 8u;
    let column = min(wanted, CHANNELS - 1u); // every lane must reach the barriers
    var square = vec4f(0.0);
    for (var row = lane / 8u; row < ROWS; row += 8u) {
        let v = w[row * CHANNELS + column];
        square += v * v;
    }
    let length = max(sqrt(column_sum(lane, square)), vec4f(EPS));
    if wanted >= CHANNELS {
        return;
    }
    for (var row = lane / 8u; row < ROWS; row += 8u) {
        w[row * CHANNELS + column] /= length;
    }
}
