// How fast this adapter moves memory: VECTORS vec4s from one buffer to another, EACH a thread, neighbours by neighbouring threads.
// Workgroup LANES; dispatch grid(ceil(VECTORS / (LANES * EACH))).
//
// Constants VECTORS, EACH, LANES.
//!include common/grid

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> copy: array<vec4f>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = flat_workgroup(group, groups) * LANES * EACH + lane;
    //!repeat I EACH
    if first + I * LANES < VECTORS {
        copy[first + I * LANES] = source[first + I * LANES];
    }
    //!end
}
