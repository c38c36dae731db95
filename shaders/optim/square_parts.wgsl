// parts[FIRST + g] = the sum of the squares of the numbers of x that workgroup g of GROUPS takes, each times a factor where
// SCALED: before it is squared, so that what a loss scale has made large cannot overflow. Where ADD, the sum comes to what is
// there. x has VECTORS vec4s; lane l of workgroup g takes 64 g + l and every 64 GROUPS-th after it.
// Workgroup 64; dispatch grid(GROUPS).
//!include common/grid
//!include common/reduce

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> parts: array<f32>;
//!if SCALED
@group(0) @binding(2) var<storage, read> factor: array<vec4f>;
//!end

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = flat_workgroup(workgroup, workgroups);
    var squares = vec4f(0.0);
    for (var i = group * 64u + lane; i < VECTORS; i += 64u * GROUPS) {
//!if SCALED
        let value = x[i] * factor[0].x;
//!else
        let value = x[i];
//!end
        squares += value * value;
    }
    let sum = dot(workgroup_sum(lane, squares), vec4f(1.0));
    if lane == 0u && group < GROUPS {
//!if ADD
        parts[FIRST + group] += sum;
//!else
        parts[FIRST + group] = sum;
//!end
    }
}
