// The largest term of a row of CHANNELS vec4s and the sum of exp(term - largest). Wants a function `term(row, c)` that is LEAST where nothing
// counts, and 64 lanes that call together.
//!include common/reduce

// Below every term.
const LEAST: f32 = -1e30;

struct ExpSum {
    most: f32,
    sum: f32,
}

fn exp_sum(lane: u32, row: u32) -> ExpSum {
    var largest = vec4f(LEAST);
    for (var c = lane; c < CHANNELS; c += 64u) {
        largest = max(largest, term(row, c));
    }
    let found = workgroup_max(lane, largest);
    let most = max(max(found.x, found.y), max(found.z, found.w));
    var mine = 0.0;
    for (var c = lane; c < CHANNELS; c += 64u) {
        mine += dot(exp(term(row, c) - most), vec4f(1.0));
    }
    return ExpSum(most, workgroup_sum(lane, vec4f(mine, 0.0, 0.0, 0.0)).x);
}
