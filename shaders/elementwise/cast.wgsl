// y = x over VECTORS vec4s, one a thread: f32 to f16 (+TO_F16), or back.
// Workgroup 64; dispatch grid(ceil(VECTORS / 64)).
//!include common/grid
//!include common/stored

//!if TO_F16
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<Stored>;
//!else
@group(0) @binding(0) var<storage, read> x: array<Stored>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
//!end

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if i < VECTORS {
//!if TO_F16
        y[i] = Stored(x[i]);
//!else
        y[i] = vec4f(x[i]);
//!end
    }
}
