// dx = SCALE dy in the first COUNT elements, 0 in the others, over VECTORS vec4s, one a thread.
// Workgroup 64; dispatch grid(ceil(VECTORS / 64)).
//!include common/grid

@group(0) @binding(0) var<storage, read> dy: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> dx: array<vec4f>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if i < VECTORS {
        let counted = vec4u(0u, 1u, 2u, 3u) + 4u * i < vec4u(COUNT);
        dx[i] = select(vec4f(0.0), vec4f(SCALE * dy[0].x), counted);
    }
}
