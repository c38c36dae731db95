// y[s] = the root of the sum of the s-th GROUPS parts of square_parts, for each of SEGMENTS segments.
// A workgroup makes a segment, those past SEGMENTS the padding of y up to STORED_SEGMENTS.
// Workgroup 64; dispatch grid(STORED_SEGMENTS).
//!include common/grid
//!include common/reduce

@group(0) @binding(0) var<storage, read> parts: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(workgroup, workgroups);
    let segment = min(index, SEGMENTS - 1u); // every workgroup must reach the barriers
    var sum = 0.0;
    for (var g = lane; g < GROUPS; g += 64u) {
        sum += parts[segment * GROUPS + g];
    }
    let norm = sqrt(workgroup_sum(lane, vec4f(sum, 0.0, 0.0, 0.0)).x);
    if lane == 0u && index < STORED_SEGMENTS {
        y[index] = select(0.0, norm, index < SEGMENTS);
    }
}
