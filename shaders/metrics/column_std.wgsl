// y = standard deviation of each column over the first ROWS rows of x, unbiased, torch .std(0). Two passes, first the
// mean, then the squares around it: one pass of squares loses columns whose mean is large.
// x has CHANNELS vec4s a row. A workgroup makes 8 vec4 columns with 8 lanes each, lane = 8 * row lane + column lane.
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
    var squares = vec4f(0.0);
    for (var row = lane / 8u; row < ROWS; row += 8u) {
        let difference = x[row * CHANNELS + column] - mean;
        squares += difference * difference;
    }
    let total = column_sum(lane, squares);
    if lane < 8u && wanted < CHANNELS {
        y[wanted] = sqrt(total / f32(ROWS - 1u));
    }
}
