// y[row, group] = how many classes of the group come before the label of the row: those of larger logit, and of equal ones those of lower
// index. Where the label's logit is no number, all CLASSES do: a classifier that has diverged knows nothing.
// Each of ROWS rows of logits holds COLUMNS floats, the first GROUPS * CLASSES of which count; rows of y hold STORED.
// One thread a number of y. Workgroup 64; dispatch grid(ceil(ROWS * STORED / 64)).
//!include common/grid
//!include common/finite

@group(0) @binding(0) var<storage, read> logits: array<u32>;
@group(0) @binding(1) var<storage, read> labels: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if i >= ROWS * STORED {
        return;
    }
    let row = i / STORED;
    let group = i % STORED;
    var rank = 0u;
    if group < GROUPS {
        let first = row * COLUMNS + group * CLASSES;
        let label = min(u32(labels[row]), CLASSES - 1u);
        let own_bits = logits[first + label];
        let own = bitcast<f32>(own_bits);
        for (var c = 0u; c < CLASSES; c++) {
            let other = bitcast<f32>(logits[first + c]);
            rank += u32(other > own || (other == own && c < label));
        }
        rank = select(CLASSES, rank, finite(magnitude(vec4u(own_bits))).x);
    }
    y[i] = f32(rank);
}
