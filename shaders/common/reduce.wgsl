// Sums and maxima over a workgroup of 64 lanes, always in the same order. Eight lanes add eight partials each, then every
// lane adds those eight: three barriers where a tree has seven, and few loads a lane. All lanes must call together.

var<workgroup> partials: array<vec4f, 64>;

// Leaves in partials[0..8] the sums over lanes that are equal modulo 8.
fn fold_sums(lane: u32, mine: vec4f) {
    partials[lane] = mine;
    workgroupBarrier();
    if lane < 8u {
        var sum = partials[lane];
        for (var i = 1u; i < 8u; i++) {
            sum += partials[lane + 8u * i];
        }
        partials[lane] = sum; // no other thread reads this one
    }
    workgroupBarrier();
}

// The sum over all lanes, in every lane.
fn workgroup_sum(lane: u32, mine: vec4f) -> vec4f {
    fold_sums(lane, mine);
    var sum = partials[0];
    for (var i = 1u; i < 8u; i++) {
        sum += partials[i];
    }
    workgroupBarrier(); // the next call overwrites what slower lanes still read
    return sum;
}

// The sum over the eight lanes that are equal to this one modulo 8.
fn column_sum(lane: u32, mine: vec4f) -> vec4f {
    fold_sums(lane, mine);
    let sum = partials[lane % 8u];
    workgroupBarrier();
    return sum;
}

// Leaves in partials[0..8] the maxima over lanes that are equal modulo 8.
fn fold_maxima(lane: u32, mine: vec4f) {
    partials[lane] = mine;
    workgroupBarrier();
    if lane < 8u {
        var most = partials[lane];
        for (var i = 1u; i < 8u; i++) {
            most = max(most, partials[lane + 8u * i]);
        }
        partials[lane] = most;
    }
    workgroupBarrier();
}

// The maximum over the eight lanes that are equal to this one modulo 8.
fn column_max(lane: u32, mine: vec4f) -> vec4f {
    fold_maxima(lane, mine);
    let most = partials[lane % 8u];
    workgroupBarrier();
    return most;
}

// The maximum over all lanes, in every lane.
fn workgroup_max(lane: u32, mine: vec4f) -> vec4f {
    fold_maxima(lane, mine);
    var most = partials[0];
    for (var i = 1u; i < 8u; i++) {
        most = max(most, partials[i]);
    }
    workgroupBarrier();
    return most;
}
