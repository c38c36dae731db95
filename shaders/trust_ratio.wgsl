// LARS: y[group] = TRUST |parameters| / (|gradients| + EPS) from the sums of squares of their columns, CLASSES a group, which
// trust_columns made: those of parameters, then, from float COLUMNS on, those of gradients. 1 where either is zero; zero in the padding up
// to STORED. One thread a group. Workgroup 64; dispatch grid(ceil(STORED / 64)).
//!include common/grid

@group(0) @binding(0) var<storage, read> squares: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if group >= STORED {
        return;
    }
    var ratio = 0.0;
    if group < GROUPS {
        var sums = vec2f();
        for (var c = group * CLASSES; c < (group + 1u) * CLASSES; c++) {
            sums += vec2f(squares[c], squares[COLUMNS + c]);
        }
        let norms = sqrt(sums);
        ratio = select(1.0, TRUST * norms.x / (norms.y + EPS), norms.x > 0.0 && norms.y > 0.0);
    }
    y[group] = ratio;
}
