// y = relu?((x - running_mean) / sqrt(running_var + EPS) * weight + bias + residual).
// One vec4 of VECTORS a thread. Workgroup 64; dispatch grid(ceil(VECTORS / 64)).
//!include common/grid
//!include common/relu
//!include common/stored

@group(0) @binding(0) var<storage, read> x: array<Stored>;
@group(0) @binding(1) var<storage, read> running_mean: array<vec4f>;
@group(0) @binding(2) var<storage, read> running_var: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<Stored>;
//!if AFFINE
@group(0) @binding(4) var<storage, read> weight: array<vec4f>;
@group(0) @binding(5) var<storage, read> bias: array<vec4f>;
//!if RESIDUAL
@group(0) @binding(6) var<storage, read> residual: array<Stored>;
//!end
//!else
//!if RESIDUAL
@group(0) @binding(4) var<storage, read> residual: array<Stored>;
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
    var v = (vec4f(x[i]) - running_mean[c]) / sqrt(running_var[c] + EPS);
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
