// What the swapped prediction of one row needs: q, the code of the other view (rows are two views of HALF images) or, +BOTH, the sum of the
// codes of both views of its image (rows are small crops of HALF images, one crop of all after the other), and the softmax of t = SCALE
// scores. Wants bindings `scores` and `codes`, rows of CHANNELS vec4s with WIDTH elements, and 64 lanes that call together.
//!include common/reduce
//!include common/remainder

fn code(row: u32, c: u32) -> vec4f {
//!if BOTH
    let first = remainder(row, HALF);
    return codes[first * CHANNELS + c] + codes[(first + HALF) * CHANNELS + c];
//!else
    let other = select(row - HALF, row + HALF, row < HALF);
    return codes[other * CHANNELS + c];
//!end
}

fn counted(c: u32) -> vec4<bool> {
    return vec4u(0u, 1u, 2u, 3u) + 4u * c < vec4u(WIDTH);
}

struct Prediction {
    most: f32, // max t
    sum: f32, // sum exp(t - most)
    total: f32, // sum q
    along: f32, // sum q (t - most)
}

fn prediction(lane: u32, row: u32) -> Prediction {
    let least = vec4f(-1e30);
    let first = row * CHANNELS;
    var largest = least;
    for (var c = lane; c < CHANNELS; c += 64u) {
        largest = max(largest, select(least, SCALE * scores[first + c], counted(c)));
    }
    let found = workgroup_max(lane, largest);
    let most = max(max(found.x, found.y), max(found.z, found.w));
    var mine = vec4f(0.0);
    for (var c = lane; c < CHANNELS; c += 64u) {
        let t = SCALE * scores[first + c] - most;
        let e = select(vec4f(0.0), exp(t), counted(c));
        let q = code(row, c);
        mine += vec4f(dot(e, vec4f(1.0)), dot(q, vec4f(1.0)), dot(q, t), 0.0);
    }
    let sums = workgroup_sum(lane, mine);
    return Prediction(most, sums.x, sums.y, sums.z);
}
