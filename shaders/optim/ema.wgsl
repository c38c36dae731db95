// The exponential moving average of VECTORS vec4s: y = m y + (1 - m) x, where m = momentum.x, one vec4 a thread.
// +SCALED: where factor.x is 0 the step is skipped and nothing moves.
// Workgroup 64; dispatch grid(ceil(VECTORS / 64)).
//!include common/grid

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> momentum: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
//!if SCALED
@group(0) @binding(3) var<storage, read> factor: array<vec4f>;
//!end

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(workgroup, workgroups) * 64u + lane;
//!if SCALED
    if factor[0].x == 0.0 {
        return;
    }
//!end
    if i < VECTORS {
        let m = momentum[0].x;
        y[i] = m * y[i] + (1.0 - m) * x[i];
    }
}
