// What both passes of the batch-norm gradient read: g, the gradient before the ReLU, and the normalised input. Where a ReLU
// followed, its output y is read (+Y: a residual was added, too) or computed again as batch_norm_apply does (+REMAKE_Y,
// +AFFINE: with weight and bias).
//!include common/stored

@group(0) @binding(0) var<storage, read> dy: array<Stored>;
@group(0) @binding(1) var<storage, read> x: array<Stored>;
@group(0) @binding(2) var<storage, read> stats: array<vec4f>;

// What belongs to a vec4 of channels of a view.
struct Channels {
    mean: vec4f,
    // 1 / sqrt(var + eps)
    deviation: vec4f,
    weight: vec4f,
    bias: vec4f,
}

fn channels(view: u32, c: u32) -> Channels {
    var it: Channels;
    it.mean = stats[view * 2u * C4 + c];
    it.deviation = stats[(view * 2u + 1u) * C4 + c];
//!if AFFINE
    it.weight = weight[c];
//!if REMAKE_Y
    it.bias = bias[c];
//!end
//!end
    return it;
}

fn normalised(i: u32, it: Channels) -> vec4f {
    return (vec4f(x[i]) - it.mean) * it.deviation;
}

// g where xhat is the normalised input.
fn incoming(i: u32, it: Channels, xhat: vec4f) -> vec4f {
//!if Y
    return select(vec4f(), vec4f(dy[i]), vec4f(y[i]) > vec4f());
//!else
//!if REMAKE_Y
    var v = xhat;
//!if AFFINE
    v = fma(v, it.weight, it.bias);
//!end
    return select(vec4f(), vec4f(dy[i]), v > vec4f());
//!else
    return vec4f(dy[i]);
//!end
//!end
}
