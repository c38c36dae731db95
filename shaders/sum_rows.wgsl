// y[c] = sum over ROWS rows of x[row, c]; C4 vec4s of channels, one a thread, rows in order.
// Workgroup 64; dispatch grid(ceil(C4 / 64)).
//!include common/grid
//!include common/stored

@group(0) @binding(0) var<storage, read> x: array<Stored>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let c = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if c >= C4 {
        return;
    }
    var sum = vec4f();
    for (var row = 0u; row < ROWS; row++) {
        sum += vec4f(x[row * C4 + c]);
    }
    y[c] = sum;
}
