// Back through the half round sinkhorn_rows: of PARTS parts of ROWS rows of CHANNELS vec4s, moved[r, k] is the gradient that reaches term (r, k)
// by the half round after this one, whose sum over k reaches a[r]: then moved = -that · exp(SCALE scores[r, k] + b[part, k] + a[r]).
// +CODES: the last half round, of which all that is known are codes q and their gradient dq: moved = q (dq - Σ_k q dq), which also begins d, the
// sum of all that reaches the terms. d += moved otherwise.
// A workgroup makes a row. Workgroup 64; dispatch grid(PARTS * ROWS).
//!include common/grid
//!include common/reduce

//!if CODES
@group(0) @binding(0) var<storage, read> dq: array<vec4f>;
@group(0) @binding(1) var<storage, read> codes: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> moved: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> d: array<vec4f>;
//!else
@group(0) @binding(0) var<storage, read> scores: array<vec4f>;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> moved: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> d: array<vec4f>;
//!end

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(workgroup, workgroups);
    let row = min(index, PARTS * ROWS - 1u); // every workgroup must reach the barriers
    var mine = 0.0;
    for (var c = lane; c < CHANNELS; c += 64u) {
        let at = row * CHANNELS + c;
//!if CODES
        mine += dot(codes[at], dq[at]);
//!else
        mine += dot(moved[at], vec4f(1.0));
//!end
    }
    let sum = workgroup_sum(lane, vec4f(mine, 0.0, 0.0, 0.0)).x;
    if index >= PARTS * ROWS {
        return;
    }
    for (var c = lane; c < CHANNELS; c += 64u) {
        let at = row * CHANNELS + c;
//!if CODES
        let made = codes[at] * (dq[at] - sum);
        d[at] = made;
//!else
        let known = vec4u(0u, 1u, 2u, 3u) + 4u * c < vec4u(WIDTH);
        let made = select(vec4f(0.0), -sum * exp(SCALE * scores[at] + b[row / ROWS * CHANNELS + c] + a[row]), known);
        d[at] += made;
//!end
        moved[at] = made;
    }
}
