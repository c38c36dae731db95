// y[row, group] = -log softmax(logits of the group)[label of the row] (F.cross_entropy, reduction "none", a group): each of ROWS rows of
// logits holds COLUMNS floats, the first GROUPS * CLASSES of which count; rows of y hold STORED, those past GROUPS padding.
// One thread a number of y. Workgroup 64; dispatch grid(ceil(ROWS * STORED / 64)).
//!include common/grid
//!include common/group_softmax

@group(0) @binding(0) var<storage, read> logits: array<f32>;
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
    var loss = 0.0;
    if group < GROUPS {
        let first = row * COLUMNS + group * CLASSES;
        let label = min(u32(labels[row]), CLASSES - 1u);
        let s = group_softmax(first);
        loss = log(s.y) - (logits[first + label] - s.x);
    }
    y[i] = loss;
}
