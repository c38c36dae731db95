// Mean and sum of squared deviations of each channel over one part of a view's rows: partial[view, part, 0..2, c].
//
// A view has ROWS rows, cut into PARTS of ROWS_PER_PART (the last may be shorter). A thread takes one vec4 of channels of
// one part and sums deviations from its first row: E[x^2] - E[x]^2 would lose a mean that is large beside the deviations.
// Workgroup 64; dispatch grid(ceil(VIEWS * PARTS * C4 / 64)).
//!include common/grid
//!include common/stored

@group(0) @binding(0) var<storage, read> x: array<Stored>;
@group(0) @binding(1) var<storage, read_write> partial: array<vec4f>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if i >= VIEWS * PARTS * C4 {
        return;
    }
    let c = i % C4;
    let part = i / C4 % PARTS;
    let view = i / (C4 * PARTS);
    let first = part * ROWS_PER_PART;
    let end = min(first + ROWS_PER_PART, ROWS);
    let shift = vec4f(x[(view * ROWS + first) * C4 + c]);
    var sum = vec4f();
    var squares = vec4f();
    for (var row = first; row < end; row++) {
        let d = vec4f(x[(view * ROWS + row) * C4 + c]) - shift;
        sum += d;
        squares = fma(d, d, squares);
    }
    let count = f32(end - first);
    let at = (view * PARTS + part) * 2u * C4 + c;
    partial[at] = shift + sum / count;
    partial[at + C4] = max(squares - sum * sum / count, vec4f());
}
