// PyTorch's SGD step, dampening 0, with a rate a group of CLASSES columns: m = MOMENTUM m + gradient, w = w - rate m.
// +TRUSTED: the gradient is multiplied by the group's ratio before. Rows hold C4 vec4s, GROUPS * CLASSES floats of which count; padding
// belongs to the last group, and stays as its gradient is: zero. Runs over VECTORS vec4s, one a thread.
// Workgroup 64; dispatch grid(ceil(VECTORS / 64)).
//!include common/grid

@group(0) @binding(0) var<storage, read> gradients: array<vec4f>;
@group(0) @binding(1) var<storage, read> rates: array<f32>;
@group(0) @binding(2) var<storage, read_write> parameters: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> momentum: array<vec4f>;
//!if TRUSTED
@group(0) @binding(4) var<storage, read> ratios: array<f32>;
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
    let column = (i % C4) * 4u;
    let group = min((vec4u(column) + vec4u(0u, 1u, 2u, 3u)) / CLASSES, vec4u(GROUPS - 1u));
    let rate = vec4f(rates[group.x], rates[group.y], rates[group.z], rates[group.w]);
    var gradient = gradients[i];
//!if TRUSTED
    gradient *= vec4f(ratios[group.x], ratios[group.y], ratios[group.z], ratios[group.w]);
//!end
    let m = MOMENTUM * momentum[i] + gradient;
    momentum[i] = m;
    parameters[i] -= rate * m;
}
