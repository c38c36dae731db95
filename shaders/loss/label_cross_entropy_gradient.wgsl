// Gradient of label_cross_entropy: d = dy[row, group] (softmax(logits of the group) - 1 at the label). Rows of logits and d hold COLUMNS
// floats, the first GROUPS * CLASSES of which count; rows of dy hold STORED.
// One thread a group of a row; that of the last group also makes the padding. Workgroup 64; dispatch grid(ceil(ROWS * GROUPS / 64)).
//!include common/grid
//!include common/group_softmax

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<f32>;
@group(0) @binding(3) var<storage, read_write> d: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if i >= ROWS * GROUPS {
        return;
    }
    let row = i / GROUPS;
    let group = i % GROUPS;
    let first = row * COLUMNS + group * CLASSES;
    let label = u32(labels[row]);
    let slope = dy[row * STORED + group];
    let s = group_softmax(first);
    for (var c = 0u; c < CLASSES; c++) {
        let p = exp(logits[first + c] - s.x) / s.y;
        d[first + c] = slope * (p - select(0.0, 1.0, c == label));
    }
    if group == GROUPS - 1u {
        for (var c = GROUPS * CLASSES; c < COLUMNS; c++) {
            d[row * COLUMNS + c] = 0.0;
        }
    }
}
