// What softmax(p) and softmax(z) of one row need. The row starts at vec4 `first`, has CHANNELS vec4s, of which the first
// WIDTH elements count: the padding must not enter a softmax. Wants bindings `p` and `z`, and 64 lanes that call together.
//!include common/reduce

fn counted(c: u32) -> vec4<bool> {
    return vec4u(0u, 1u, 2u, 3u) + 4u * c < vec4u(WIDTH);
}

struct RowSums {
    most_p: f32, // max p
    most_z: f32, // max z
    sum_p: f32, // sum exp(p - most_p)
    sum_z: f32, // sum exp(z - most_z)
    mean_p: f32, // sum softmax(z) (p - most_p)
}

fn row_sums(lane: u32, first: u32) -> RowSums {
    let least = vec4f(-3.4e38);
    var ps = least;
    var zs = least;
    for (var c = lane; c < CHANNELS; c += 64u) {
        ps = max(ps, select(least, p[first + c], counted(c)));
        zs = max(zs, select(least, z[first + c], counted(c)));
    }
    let pair = max(vec4f(ps.xy, zs.xy), vec4f(ps.zw, zs.zw));
    let most = workgroup_max(lane, vec4f(max(pair.xz, pair.yw), 0.0, 0.0));
    var mine = vec4f(0.0);
    for (var c = lane; c < CHANNELS; c += 64u) {
        let a = p[first + c] - most.x;
        let ep = select(vec4f(0.0), exp(a), counted(c));
        let ez = select(vec4f(0.0), exp(z[first + c] - most.y), counted(c));
        mine += vec4f(dot(ep, vec4f(1.0)), dot(ez, vec4f(1.0)), dot(ez, a), 0.0);
    }
    let sums = workgroup_sum(lane, mine);
    return RowSums(most.x, most.y, sums.x, sums.y, sums.z / sums.y);
}
