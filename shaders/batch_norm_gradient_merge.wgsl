// sums[view, 0..2, c] from the parts, in order; their sums over the views are the gradients of bias and weight.
// One vec4 of channels a thread, or a workgroup with +WIDE, as batch_norm_merge.
//!include common/grid
//!if WIDE
//!include common/reduce
//!end

@group(0) @binding(0) var<storage, read> partial: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> sums: array<vec4f>;
//!if AFFINE
@group(0) @binding(2) var<storage, read_write> dweight: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dbias: array<vec4f>;
//!end

// The sum over all parts, of which this lane has summed some.
fn over_parts(lane: u32, mine: vec4f) -> vec4f {
//!if WIDE
    return workgroup_sum(lane, mine);
//!else
    return mine;
//!end
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = flat_workgroup(workgroup, workgroups);
//!if WIDE
    let c = min(group, C4 - 1u); // every workgroup must reach the barriers
    let first = lane;
    let stores = group < C4 && lane == 0u;
//!else
    let c = group * 64u + lane;
    let first = 0u;
    let stores = true;
    if c >= C4 {
        return;
    }
//!end
    var total_sum = vec4f();
    var total_product = vec4f();
    for (var view = 0u; view < VIEWS; view++) {
        var sum = vec4f();
        var product = vec4f();
        for (var part = first; part < PARTS; part += STEP) {
            let at = (view * PARTS + part) * 2u * C4 + c;
            sum += partial[at];
            product += partial[at + C4];
        }
        sum = over_parts(lane, sum);
        product = over_parts(lane, product);
        if stores {
            sums[view * 2u * C4 + c] = sum;
            sums[(view * 2u + 1u) * C4 + c] = product;
        }
        total_sum += sum;
        total_product += product;
    }
//!if AFFINE
    if stores {
        dbias[c] = total_sum;
        dweight[c] = total_product;
    }
//!end
}
