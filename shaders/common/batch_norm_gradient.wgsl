// What both passes of the batch-norm gradient read: g, the gradient before the ReLU, and the normalised input.
//!include common/stored

@group(0) @binding(0) var<storage, read> dy: array<Stored>;
@group(0) @binding(1) var<storage, read> x: array<Stored>;
@group(0) @binding(2) var<storage, read> stats: array<vec4f>;
//!if RELU
@group(0) @binding(3) var<storage, read> y: array<Stored>;
//!end

fn incoming(i: u32) -> vec4f {
//!if RELU
    return select(vec4f(), vec4f(dy[i]), vec4f(y[i]) > vec4f());
//!else
    return vec4f(dy[i]);
//!end
}

fn normalised(i: u32, view: u32, c: u32) -> vec4f {
    return (vec4f(x[i]) - stats[view * 2u * C4 + c]) * stats[(view * 2u + 1u) * C4 + c];
}
