// y = the sum of PARTS vectors of VECTORS vec4s, one vec4 a thread, in the order of the parts.
// Workgroup 64; dispatch grid(ceil(VECTORS / 64)).
//!include common/grid

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if i >= VECTORS {
        return;
    }
    var sum = x[i];
    for (var part = 1u; part < PARTS; part++) {
        sum += x[part * VECTORS + i];
    }
    y[i] = sum;
}
