// Half a round of Sinkhorn: b[part, k] = -log(sum over the rows r of a part of exp(SCALE scores[r, k] + a[r])), of PARTS parts of ROWS rows
// of CHANNELS vec4s. +FIRST: a is 0. +MASKED: rows whose mask is 0 do not count. Logarithms, because exp(SCALE scores) leaves f32.
// A workgroup makes 8 vec4 columns of a part with 8 lanes each, lane = 8 * row lane + column lane; GROUPS is ceil(CHANNELS / 8).
// Workgroup 64; dispatch grid(PARTS * GROUPS).
//!include common/grid
//!include common/reduce

@group(0) @binding(0) var<storage, read> scores: array<vec4f>;
//!if MASKED
@group(0) @binding(1) var<storage, read> mask: array<f32>;
//!end
//!if FIRST
//!else
@group(0) @binding(A_AT) var<storage, read> a: array<f32>;
//!end
@group(0) @binding(B_AT) var<storage, read_write> b: array<vec4f>;

// Below every term.
const LEAST: f32 = -1e30;

fn term(row: u32, column: u32) -> vec4f {
    var v = SCALE * scores[row * CHANNELS + column];
//!if FIRST
//!else
    v += a[row];
//!end
//!if MASKED
    v = select(vec4f(LEAST), v, mask[row] > 0.0);
//!end
    return v;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(workgroup, workgroups);
    let part = min(index / GROUPS, PARTS - 1u); // every lane must reach the barriers
    let wanted = (index - part * GROUPS) * 8u + lane % 8u;
    let column = min(wanted, CHANNELS - 1u);
    var largest = vec4f(LEAST);
    for (var row = lane / 8u; row < ROWS; row += 8u) {
        largest = max(largest, term(part * ROWS + row, column));
    }
    let most = column_max(lane, largest);
    var mine = vec4f(0.0);
    for (var row = lane / 8u; row < ROWS; row += 8u) {
        mine += exp(term(part * ROWS + row, column) - most);
    }
    let sum = column_sum(lane, mine);
    if lane < 8u && wanted < CHANNELS {
        b[part * CHANNELS + column] = -(log(sum) + most);
    }
}
