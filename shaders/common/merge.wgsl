// How kernels merge the parts of a reduction. One vec4 of channels a thread, grid(ceil(C4 / 64)) workgroups of 64; +WIDE:
// a workgroup, each lane every STEPth part, so that a GPU does not wait for one thread to read them all, grid(C4).
//!if WIDE
//!include common/reduce
//!end

struct Merger {
    c: u32,
    first: u32,
    // Whether this lane's results are the ones to keep; all lanes must reach the barriers.
    stores: bool,
}

fn merger(group: u32, lane: u32) -> Merger {
//!if WIDE
    return Merger(min(group, C4 - 1u), lane, group < C4 && lane == 0u);
//!else
    let c = group * 64u + lane;
    return Merger(min(c, C4 - 1u), 0u, c < C4);
//!end
}

// The sum over all parts, of which this lane has summed some.
fn over_parts(lane: u32, mine: vec4f) -> vec4f {
//!if WIDE
    return workgroup_sum(lane, mine);
//!else
    return mine;
//!end
}
