// The part of x that one rank has given: of PARTS equal parts of x, each OWN * RANKS vec4s, those of rank RANK. One vec4 a thread.
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
    if i < VECTORS {
        y[i] = x[(i / OWN * RANKS + RANK) * OWN + i % OWN];
    }
}
