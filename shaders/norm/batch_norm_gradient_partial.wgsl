// Sums of g and g * xhat of each channel over one part of a view's rows: partial[view, part, 0..2, c], where g is the
// gradient before the ReLU and xhat the normalised input.
// Parts as in batch_norm_partial. Workgroup 64; dispatch grid(ceil(VIEWS * PARTS * C4 / 64)).
//!include common/grid
//!include common/batch_norm_gradient

@group(0) @binding(3) var<storage, read_write> partial: array<vec4f>;
//!if Y
@group(0) @binding(4) var<storage, read> y: array<Stored>;
//!end
//!if AFFINE
@group(0) @binding(4) var<storage, read> weight: array<vec4f>;
@group(0) @binding(5) var<storage, read> bias: array<vec4f>;
//!end

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
    let it = channels(view, c);
    var sum = vec4f();
    var product = vec4f();
    for (var row = first; row < end; row++) {
        let at = (view * ROWS + row) * C4 + c;
        let xhat = normalised(at, it);
        let g = incoming(at, it, xhat);
        sum += g;
        product = fma(g, xhat, product);
    }
    let at = (view * PARTS + part) * 2u * C4 + c;
    partial[at] = sum;
    partial[at + C4] = product;
}
