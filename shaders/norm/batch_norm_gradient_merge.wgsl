// sums[view, 0..2, c] from the parts, in order; their sums over the views are the gradients of bias and weight.
// Threads and dispatch as common/merge says.
//!include common/grid
//!include common/merge

@group(0) @binding(0) var<storage, read> partial: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> sums: array<vec4f>;
//!if AFFINE
@group(0) @binding(2) var<storage, read_write> dweight: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dbias: array<vec4f>;
//!end

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let me = merger(flat_workgroup(workgroup, workgroups), lane);
    let c = me.c;
    var total_sum = vec4f();
    var total_product = vec4f();
    for (var view = 0u; view < VIEWS; view++) {
        var sum = vec4f();
        var product = vec4f();
        for (var part = me.first; part < PARTS; part += STEP) {
            let at = (view * PARTS + part) * 2u * C4 + c;
            sum += partial[at];
            product += partial[at + C4];
        }
        sum = over_parts(lane, sum);
        product = over_parts(lane, product);
        if me.stores {
            sums[view * 2u * C4 + c] = sum;
            sums[(view * 2u + 1u) * C4 + c] = product;
        }
        total_sum += sum;
        total_product += product;
    }
//!if AFFINE
    if me.stores {
        dbias[c] = total_sum;
        dweight[c] = total_product;
    }
//!end
}
