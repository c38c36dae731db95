// dx = weight / sqrt(var + eps) * (g - mean(g) - xhat * mean(g * xhat)), means over the view's ROWS rows; the residual's
// gradient is g itself.
// One vec4 of VECTORS a thread. Workgroup 64; dispatch grid(ceil(VECTORS / 64)).
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
    let i = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if i >= VECTORS {
        return;
    }
    let c = i % C4;
    let view = i / (ROWS * C4);
    let g = incoming(i, view, c);
    let sum = sums[view * 2u * C4 + c];
    let product = sums[(view * 2u + 1u) * C4 + c];
    var d = stats[(view * 2u + 1u) * C4 + c] * (g - (sum + normalised(i, view, c) * product) / f32(ROWS));
//!if AFFINE
    d *= weight[c];
//!end
    dx[i] = Stored(d);
//!if Y
    dresidual[i] = Stored(g);
//!end
}
