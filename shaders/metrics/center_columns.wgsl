// y = the first ROWS rows of x minus their mean row; rows of y past ROWS, up to STORED_ROWS, are its padding.
// x and y have CHANNELS vec4s a row. A workgroup makes 8 vec4 columns with 8 lanes each, lane = 8 * row lane + column lane.
// Workgroup 64; dispatch grid(ceil(CHANNELS / 8)).
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
    let wanted = flat_workgroup(workgroup, workgroups) * 8u + lane % 8u;
    let column = min(wanted, CHANNELS - 1u); // every lane must reach the barriers
    var sum = vec4f(0.0);
    for (var row = lane / 8u; row < ROWS; row += 8u) {
        sum += x[row * CHANNELS + column];
    }
    let mean = column_sum(lane, sum) / f32(ROWS);
    if wanted >= CHANNELS {
        return;
    }
    for (var row = lane / 8u; row < STORED_ROWS; row += 8u) {
        var centered = vec4f(0.0);
        if row < ROWS {
            centered = x[row * CHANNELS + column] - mean;
        }
        y[row * CHANNELS + column] = centered;
    }
}
