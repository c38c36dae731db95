// dx = weight / sqrt(var + eps) * (g - mean(g) - xhat * mean(g * xhat)), means over the view's ROWS rows; the residual's
// gradient is g itself.
// Threads as in batch_norm_apply. Workgroup 64; dispatch grid(ceil(VIEWS * RUNS * C4 / 64)).
//!include common/grid
//!include common/batch_norm_gradient

@group(0) @binding(3) var<storage, read> sums: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> dx: array<Stored>;
//!if AFFINE
@group(0) @binding(5) var<storage, read> weight: array<vec4f>;
//!if REMAKE_Y
@group(0) @binding(6) var<storage, read> bias: array<vec4f>;
//!end
//!if Y
@group(0) @binding(6) var<storage, read> y: array<Stored>;
@group(0) @binding(7) var<storage, read_write> dresidual: array<Stored>;
//!end
//!else
//!if Y
@group(0) @binding(5) var<storage, read> y: array<Stored>;
@group(0) @binding(6) var<storage, read_write> dresidual: array<Stored>;
//!end
//!end

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let thread = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if thread >= VIEWS * RUNS * C4 {
        return;
    }
    let c = thread % C4;
    let first = thread / C4 % RUNS * RUN;
    let view = thread / (C4 * RUNS);
    let it = channels(view, c);
    let sum = sums[view * 2u * C4 + c];
    let product = sums[(view * 2u + 1u) * C4 + c];
    for (var row = first; row < min(first + RUN, ROWS); row++) {
        let i = (view * ROWS + row) * C4 + c;
        let xhat = normalised(i, it);
        let g = incoming(i, it, xhat);
        var d = it.deviation * (g - (sum + xhat * product) / f32(ROWS));
//!if AFFINE
        d *= it.weight;
//!end
        dx[i] = Stored(d);
//!if Y
        dresidual[i] = Stored(g);
//!end
    }
}
