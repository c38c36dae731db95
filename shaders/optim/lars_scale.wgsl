// LARS: y[group] = TRUST |w| / (|g| + WEIGHT_DECAY |w| + EPS) from sums of squares: those of parameters, then, from sum SUMS on, those
// of gradients. A group's stand in groups: begin, end, whether weight decay applies, whether LARS does; without LARS y is 1. It is 1
// where w is zero and 0 where g is; zero in the padding up to STORED. +DECAY: there is weight decay.
// One thread a group. Workgroup 64; dispatch grid(ceil(STORED / 64)).
//!include common/grid

@group(0) @binding(0) var<storage, read> squares: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read> groups: array<vec4u>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if index >= STORED {
        return;
    }
    var scale = 0.0;
    if index < GROUPS {
        let group = groups[index];
        var sums = vec2f();
        for (var i = group.x; i < group.y; i++) {
            sums += vec2f(squares[i], squares[SUMS + i]);
        }
        let norms = sqrt(sums);
        var divisor = norms.y;
//!if DECAY
        divisor += select(0.0, WEIGHT_DECAY * norms.x, group.z == 1u);
//!end
        scale = select(1.0, TRUST * norms.x / (divisor + EPS), norms.x > 0.0 && norms.y > 0.0);
        scale = select(scale, 0.0, norms.y == 0.0);
        scale = select(1.0, scale, group.w == 1u);
    }
    y[index] = scale;
}
