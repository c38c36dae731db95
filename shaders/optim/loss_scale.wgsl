// What a step does with gradients of a scaled loss: inverse = 1 / scale, or 0 where a part has met a number that is not finite
// and the step is to be skipped. Then the scale moves for the next step: half of it after a skipped one, at least LEAST; twice
// of it, at most MOST, after INTERVAL good ones.
// PARTS of finite_parts. One workgroup of 64; dispatch 1.
//!include common/reduce

@group(0) @binding(0) var<storage, read> parts: array<u32>;
@group(0) @binding(1) var<storage, read_write> inverse: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> scale: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> good_steps: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    var bad = 0u;
    for (var i = lane; i < PARTS; i += 64u) {
        bad |= parts[i];
    }
    let skip = workgroup_max(lane, vec4f(f32(bad))).x > 0.0;
    if lane != 0u {
        return;
    }
    let now = scale[0].x;
    var next = now;
    var good = good_steps[0].x + 1.0;
    if skip {
        next = max(0.5 * now, LEAST);
        good = 0.0;
    } else if good >= INTERVAL {
        next = min(2.0 * now, MOST);
        good = 0.0;
    }
    inverse[0] = vec4f(select(1.0 / now, 0.0, skip), 0.0, 0.0, 0.0);
    scale[0] = vec4f(next, 0.0, 0.0, 0.0);
    good_steps[0] = vec4f(good, 0.0, 0.0, 0.0);
}
