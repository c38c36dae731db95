// dx = dy where y > 0, else 0, over VECTORS vec4s, one a thread.
// Workgroup 64; dispatch grid(ceil(VECTORS / 64)).
//!include common/grid
//!include common/stored

@group(0) @binding(0) var<storage, read> dy: array<Stored>;
@group(0) @binding(1) var<storage, read> y: array<Stored>;
@group(0) @binding(2) var<storage, read_write> dx: array<Stored>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if i < VECTORS {
        dx[i] = Stored(select(vec4f(0.0), vec4f(dy[i]), vec4f(y[i]) > vec4f(0.0)));
    }
}
