// y = relu?((x - mean) / sqrt(var + eps) * weight + bias + residual), the statistics of the row's view.
// One vec4 of VECTORS a thread, ROWS rows a view. Workgroup 64; dispatch grid(ceil(VECTORS / 64)).
//!include common/grid
//!include common/relu
//!include common/stored

@group(0) @binding(0) var<storage, read> x: array<Stored>;
@group(0) @binding(1) var<storage, read> stats: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<Stored>;
//!if AFFINE
@group(0) @binding(3) var<storage, read> weight: array<vec4f>;
@group(0) @binding(4) var<storage, read> bias: array<vec4f>;
//!if RESIDUAL
@group(0) @binding(5) var<storage, read> residual: array<Stored>;
//!end
//!else
//!if RESIDUAL
@group(0) @binding(3) var<storage, read> residual: array<Stored>;
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
    var v = (vec4f(x[i]) - stats[view * 2u * C4 + c]) * stats[(view * 2u + 1u) * C4 + c];
//!if AFFINE
    v = fma(v, weight[c], bias[c]);
//!end
//!if RESIDUAL
    v += vec4f(residual[i]);
//!end
//!if RELU
    v = relu(v);
//!end
    y[i] = Stored(v);
}
