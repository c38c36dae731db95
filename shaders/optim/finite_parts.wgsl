// parts[FIRST + t] = 1 where thread t of THREADS met a number of x that is infinite or NaN, else 0. x has VECTORS vec4s; thread
// t takes t, t + THREADS, ...
// Workgroup 64; dispatch grid(THREADS / 64).
//!include common/grid
//!include common/finite

@group(0) @binding(0) var<storage, read> x: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> parts: array<u32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let thread = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if thread >= THREADS {
        return;
    }
    var most = vec4u();
    for (var i = thread; i < VECTORS; i += THREADS) {
        most = max(most, magnitude(x[i]));
    }
    parts[FIRST + thread] = select(1u, 0u, all(finite(most)));
}
