// y[0] = SCALE * sum of the first COUNT elements of x; SCALE holds the 1 / count. One workgroup of 64; dispatch 1.
//!include common/reduce

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    var mine = 0.0;
    for (var i = lane; i < COUNT; i += 64u) {
        mine += x[i];
    }
    let sum = workgroup_sum(lane, vec4f(mine, 0.0, 0.0, 0.0));
    if lane == 0u {
        y[0] = SCALE * sum; // the padding is the zeros above
    }
}
