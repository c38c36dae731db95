// PyTorch's SGD step, dampening 0, with parameter groups: m = MOMENTUM m + scale (gradient + WEIGHT_DECAY w), w = w - rate m.
// +DECAY: there is weight decay. +LARS: there is a scale a group. +SCALED: gradients are multiplied by factor.x; where that is 0
// the step is skipped and nothing moves.
// A workgroup takes one of PIECES pieces of a flat arena, which lies in one group: its first vec4, vec4s, rate's index times two plus
// one where weight decay applies, and the index of its scale. Workgroup 64; dispatch grid(PIECES).
// +COLUMNS: a group is CLASSES columns. Rows hold C4 vec4s, GROUPS * CLASSES floats of which count; padding belongs to the last
// group, and stays as its gradient is: zero. VECTORS vec4s, one a thread. Workgroup 64; dispatch grid(ceil(VECTORS / 64)).
//!include common/grid

@group(0) @binding(0) var<storage, read> gradients: array<vec4f>;
@group(0) @binding(1) var<storage, read> rates: array<f32>;
@group(0) @binding(2) var<storage, read_write> parameters: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> momentum: array<vec4f>;
//!if LARS
@group(0) @binding(4) var<storage, read> scales: array<f32>;
//!end
//!if SCALED
@group(0) @binding(FACTOR_AT) var<storage, read> factor: array<vec4f>;
//!end
//!if COLUMNS
//!else
@group(0) @binding(PIECES_AT) var<storage, read> pieces: array<vec4u>;
//!end

fn update(i: u32, rate: vec4f, scale: vec4f, decay: f32) {
    let w = parameters[i];
    var gradient = gradients[i];
//!if SCALED
    gradient = factor[0].x * gradient;
//!end
//!if DECAY
    gradient = gradient + decay * w;
//!end
//!if LARS
    gradient = scale * gradient;
//!end
    let m = MOMENTUM * momentum[i] + gradient;
    momentum[i] = m;
    parameters[i] = w - rate * m;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(workgroup, workgroups);
//!if SCALED
    if factor[0].x == 0.0 {
        return;
    }
//!end
    var scale = vec4f(1.0);
//!if COLUMNS
    let i = index * 64u + lane;
    if i >= VECTORS {
        return;
    }
    let column = (i % C4) * 4u;
    let group = min((vec4u(column) + vec4u(0u, 1u, 2u, 3u)) / CLASSES, vec4u(GROUPS - 1u));
    let rate = vec4f(rates[group.x], rates[group.y], rates[group.z], rates[group.w]);
//!if LARS
    scale = vec4f(scales[group.x], scales[group.y], scales[group.z], scales[group.w]);
//!end
    update(i, rate, scale, WEIGHT_DECAY);
//!else
    if index >= PIECES {
        return;
    }
    let piece = pieces[index];
    let rate = vec4f(rates[piece.z / 2u]);
    let decay = select(0.0, WEIGHT_DECAY, piece.z % 2u == 1u);
//!if LARS
    scale = vec4f(scales[piece.w]);
//!end
    for (var i = lane; i < piece.y; i += 64u) {
        update(piece.x + i, rate, scale, decay);
    }
//!end
}
