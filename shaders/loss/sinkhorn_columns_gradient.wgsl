// Back through the half round sinkhorn_columns: of PARTS parts of ROWS rows of CHANNELS vec4s, moved[r, k] is the gradient that reaches term
// (r, k) by the half round after this one, whose sum over the rows of a part reaches b[part, k]: then
// moved = -that · exp(SCALE scores[r, k] + a[r] + b[part, k]), and d += moved. +FIRST: a is 0, and d becomes the gradient of the scores,
// SCALE times itself. +MASKED: rows whose mask is 0 did not count.
// A workgroup makes 8 vec4 columns of a part with 8 lanes each, lane = 8 * row lane + column lane; GROUPS is ceil(CHANNELS / 8).
// Workgroup 64; dispatch grid(PARTS * GROUPS).
//!include common/grid
//!include common/reduce

@group(0) @binding(0) var<storage, read> scores: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
//!if MASKED
@group(0) @binding(2) var<storage, read> mask: array<f32>;
//!end
//!if FIRST
//!else
@group(0) @binding(A_AT) var<storage, read> a: array<f32>;
//!end
@group(0) @binding(MOVED_AT) var<storage, read_write> moved: array<vec4f>;
@group(0) @binding(D_AT) var<storage, read_write> d: array<vec4f>;

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
    var mine = vec4f(0.0);
    for (var row = lane / 8u; row < ROWS; row += 8u) {
        mine += moved[(part * ROWS + row) * CHANNELS + column];
    }
    let sum = column_sum(lane, mine);
    if wanted >= CHANNELS || index >= PARTS * GROUPS {
        return;
    }
    for (var row = lane / 8u; row < ROWS; row += 8u) {
        let row_of_all = part * ROWS + row;
        let at = row_of_all * CHANNELS + column;
        var term = SCALE * scores[at] + b[part * CHANNELS + column];
//!if FIRST
//!else
        term += a[row_of_all];
//!end
        var made = -sum * exp(term);
//!if MASKED
        made = select(vec4f(0.0), made, mask[row_of_all] > 0.0);
//!end
        moved[at] = made;
//!if FIRST
        d[at] = SCALE * (d[at] + made);
//!else
        d[at] += made;
//!end
    }
}
