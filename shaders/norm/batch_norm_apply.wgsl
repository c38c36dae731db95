// y = relu?((x - mean) / sqrt(var + eps) * weight + bias + residual), the statistics of the row's view.
// A thread takes one vec4 of channels of RUN rows of a view's ROWS, so that it reads what belongs to the channels once.
// Workgroup 64; dispatch grid(ceil(VIEWS * RUNS * C4 / 64)), RUNS = ceil(ROWS / RUN).
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
    let thread = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if thread >= VIEWS * RUNS * C4 {
        return;
    }
    let c = thread % C4;
    let first = thread / C4 % RUNS * RUN;
    let view = thread / (C4 * RUNS);
    let mean = stats[view * 2u * C4 + c];
    let deviation = stats[(view * 2u + 1u) * C4 + c];
//!if AFFINE
    let scale = weight[c];
    let shift = bias[c];
//!end
    for (var row = first; row < min(first + RUN, ROWS); row++) {
        let i = (view * ROWS + row) * C4 + c;
        var v = (vec4f(x[i]) - mean) * deviation;
//!if AFFINE
        v = fma(v, scale, shift);
//!end
//!if RESIDUAL
        v += vec4f(residual[i]);
//!end
//!if RELU
        v = relu(v);
//!end
        y[i] = Stored(v);
    }
}
