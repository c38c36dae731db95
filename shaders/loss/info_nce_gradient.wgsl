// Gradients of info_nce: with the log_sum that it made and SCALE = 1 / temperature,
// dpositive = dy SCALE (exp(SCALE positive - log_sum) - 1), dnegatives = dy SCALE exp(SCALE negatives - log_sum).
// A workgroup makes a row, those past ROWS the padding of dpositive up to STORED_ROWS. Workgroup 64; dispatch grid(STORED_ROWS).
//!include common/grid
//!include common/negatives

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> positive: array<f32>;
@group(0) @binding(2) var<storage, read> negatives: array<vec4f>;
@group(0) @binding(3) var<storage, read> log_sum: array<f32>;
@group(0) @binding(4) var<storage, read_write> dpositive: array<f32>;
@group(0) @binding(5) var<storage, read_write> dnegatives: array<vec4f>;

// Below every similarity, and finite after SCALE: its exponential is 0.
const LEAST: f32 = -1e30;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_workgroup(workgroup, workgroups);
    if row >= ROWS {
        if lane == 0u && row < STORED_ROWS {
            dpositive[row] = 0.0;
        }
        return;
    }
    let slope = dy[row] * SCALE;
    let total = log_sum[row];
    if lane == 0u {
        dpositive[row] = slope * (exp(SCALE * positive[row] - total) - 1.0);
    }
    for (var c = lane; c < CHANNELS; c += 64u) {
        dnegatives[row * CHANNELS + c] = slope * exp(SCALE * negative(row, c, LEAST) - total);
    }
}
