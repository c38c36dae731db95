// InfoNCE of each of ROWS rows, with s = SCALE positive and t = SCALE negatives (SCALE is 1 / temperature):
// log_sum = log(exp(s) + sum exp(t)), y = log_sum - s, mean = the mean of the COUNT negatives that count.
// A workgroup makes a row, those past ROWS the padding up to STORED_ROWS. Workgroup 64; dispatch grid(STORED_ROWS).
//!include common/grid
//!include common/reduce
//!include common/negatives

@group(0) @binding(0) var<storage, read> positive: array<f32>;
@group(0) @binding(1) var<storage, read> negatives: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> log_sum: array<f32>;
@group(0) @binding(4) var<storage, read_write> mean: array<f32>;

// Below every similarity, and finite after SCALE: its exponential is 0.
const LEAST: f32 = -1e30;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(workgroup, workgroups);
    let row = min(index, ROWS - 1u); // every workgroup must reach the barriers
    var largest = vec4f(LEAST);
    for (var c = lane; c < CHANNELS; c += 64u) {
        largest = max(largest, negative(row, c, LEAST));
    }
    let found = workgroup_max(lane, largest);
    let similarity = positive[row];
    let most = max(similarity, max(max(found.x, found.y), max(found.z, found.w)));
    var mine = vec4f(0.0);
    for (var c = lane; c < CHANNELS; c += 64u) {
        let e = exp(SCALE * (negative(row, c, LEAST) - most));
        mine += vec4f(dot(e, vec4f(1.0)), dot(negative(row, c, 0.0), vec4f(1.0)), 0.0, 0.0);
    }
    let sums = workgroup_sum(lane, mine);
    if lane == 0u && index < STORED_ROWS {
        // Relative to the positive, which keeps the digits of a small loss.
        let above = SCALE * (most - similarity);
        let loss = above + log(sums.x + exp(-above));
        let counts = index < ROWS;
        y[index] = select(0.0, loss, counts);
        log_sum[index] = select(0.0, loss + SCALE * similarity, counts);
        mean[index] = select(0.0, sums.y / COUNT, counts);
    }
}
