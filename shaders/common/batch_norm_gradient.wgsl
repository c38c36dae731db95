// What both passes of the batch-norm gradient read: g, the gradient before the ReLU, and the normalised input. Where a ReLU
// followed, its output y is read (+Y: a residual was added, too) or computed again as batch_norm_apply does (+REMAKE_Y,
// +AFFINE: with weight and bias).
//!include common/stored

@group(0) @binding(0) var<storage, read> dy: array<Stored>;
@group(0) @binding(1) var<storage, read> x: array<Stored>;
@group(0) @binding(2) var<storage, read> stats: array<vec4f>;

fn incoming(i: u32, view: u32, c: u32) -> vec4f {
//!if Y
    return select(vec4f(), vec4f(dy[i]), vec4f(y[i]) > vec4f());
//!else
//!if REMAKE_Y
    var v = normalised(i, view, c);
//!if AFFINE
    v = fma(v, weight[c], bias[c]);
//!end
    return select(vec4f(), vec4f(dy[i]), v > vec4f());
//!else
    return vec4f(dy[i]);
//!end
//!end
}

fn normalised(i: u32, view: u32, c: u32) -> vec4f {
    return (vec4f(x[i]) - stats[view * 2u * C4 + c]) * stats[(view * 2u + 1u) * C4 + c];
}
