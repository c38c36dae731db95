// PyTorch's SGD step, dampening 0: m = MOMENTUM m + (gradient + WEIGHT_DECAY w), w = w - rate m;
// the first SPLIT vec4s go at rates.x, the others at rates.y. Runs over VECTORS vec4s, one a thread.
// +SCALED: gradients are multiplied by factor.x; where that is 0 the step is skipped and nothing moves.
// Workgroup 64; dispatch grid(ceil(VECTORS / 64)).
//!include common/grid

@group(0) @binding(0) var<storage, read> gradients: array<vec4f>;
@group(0) @binding(1) var<storage, read> rates: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> parameters: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> momentum: array<vec4f>;
//!if SCALED
@group(0) @binding(4) var<storage, read> factor: array<vec4f>;
//!end

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(workgroup, workgroups) * 64u + lane;
//!if SCALED
    if factor[0].x == 0.0 {
        return;
    }
//!end
    if i < VECTORS {
        let rate = select(rates[0].y, rates[0].x, i < SPLIT);
        let w = parameters[i];
//!if SCALED
        let gradient = factor[0].x * gradients[i];
//!else
        let gradient = gradients[i];
//!end
        let m = MOMENTUM * momentum[i] + (gradient + WEIGHT_DECAY * w);
        momentum[i] = m;
        parameters[i] = w - rate * m;
    }
}
