// table[index[r]] = KEEP table[index[r]] + (1 - KEEP) x[r], and y[r] is the result: ROWS rows of CHANNELS vec4s in a table of
// TABLE rows, no row twice. Numbers of x that are infinite or NaN change nothing. One vec4 a thread.
// Workgroup 64; dispatch grid(ceil(ROWS * CHANNELS / 64)).
//!include common/finite
//!include common/grid

@group(0) @binding(0) var<storage, read> x: array<vec4u>; // bits of floats: see common/finite
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read_write> table: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if i < ROWS * CHANNELS {
        let row = min(index[i / CHANNELS], TABLE - 1u); // the host's numbers; nothing checks bounds here
        let at = row * CHANNELS + i % CHANNELS;
        let old = table[at];
        let moved = KEEP * old + (1.0 - KEEP) * bitcast<vec4f>(x[i]);
        let value = select(old, moved, finite(magnitude(x[i])));
        table[at] = value;
        y[i] = value;
    }
}
