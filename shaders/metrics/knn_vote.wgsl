// votes[query, class] = sum of exp(similarity / TEMPERATURE) over those of the K most similar of BANK entries that have the class
// (Wu et al. 2018; torch.topk, but of equal similarities the one with the lower index counts first).
//
// One workgroup a query. Similarities become u32 keys in the same order; the K-th largest key is found a byte at a time, with a
// histogram of the keys that agree in the bytes before (integer atomics: the counts do not depend on their order). Each thread then
// lists the chosen of its own stretch of the bank, where the stretches before it end; so the list is in bank order. Each class sums
// the list from its start. Lists longer than TILE are written and summed TILE entries at a time.
// Workgroup THREADS; dispatch grid(QUERIES). Rows hold VECTORS vec4s, STRETCH of them a thread; votes hold STORED floats a row.
//!include common/grid

@group(0) @binding(0) var<storage, read> similarities: array<vec4f>;
@group(0) @binding(1) var<storage, read> labels: array<f32>;
@group(0) @binding(2) var<storage, read_write> votes: array<f32>;

// Four histograms, one a byte, so that one barrier clears them all.
var<workgroup> histogram: array<atomic<u32>, 1024>;
// How many of a thread's stretch lie above the threshold and on it.
var<workgroup> counts: array<vec2u, THREADS>;
// Label and weight.
var<workgroup> chosen: array<vec2f, TILE>;

// Larger similarities have larger keys. Both zeros are one value.
fn key(similarity: f32) -> u32 {
    let bits = bitcast<u32>(select(similarity, 0.0, similarity == 0.0));
    return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let query = flat_workgroup(workgroup, workgroups);
    if query >= QUERIES {
        return;
    }
    let first = query * VECTORS;
    for (var i = lane; i < 1024u; i += THREADS) {
        atomicStore(&histogram[i], 0u);
    }
    workgroupBarrier();

    // The bytes of the K-th largest key that are known, and how many of the keys that share them are to be taken.
    var threshold = 0u;
    var mask = 0u;
    var wanted = K;
    for (var byte = 0u; byte < 4u; byte++) {
        let shift = 24u - byte * 8u;
        for (var i = lane; i < VECTORS; i += THREADS) {
            let four = similarities[first + i];
            for (var c = 0u; c < 4u; c++) {
                let k = key(four[c]);
                if i * 4u + c < BANK && (k & mask) == threshold {
                    atomicAdd(&histogram[byte * 256u + ((k >> shift) & 255u)], 1u);
                }
            }
        }
        workgroupBarrier();
        // Every thread looks for itself; the bins together hold at least `wanted`, so this ends at bin 0 at the latest.
        var bin = 255u;
        var count = atomicLoad(&histogram[byte * 256u + bin]);
        while bin > 0u && count < wanted {
            wanted -= count;
            bin--;
            count = atomicLoad(&histogram[byte * 256u + bin]);
        }
        threshold |= bin << shift;
        mask |= 255u << shift;
    }

    let start = lane * STRETCH;
    let end = min(start + STRETCH, VECTORS);
    var own = vec2u();
    for (var i = start; i < end; i++) {
        let four = similarities[first + i];
        for (var c = 0u; c < 4u; c++) {
            let k = key(four[c]);
            if i * 4u + c < BANK {
                own += vec2u(u32(k > threshold), u32(k == threshold));
            }
        }
    }
    counts[lane] = own;
    workgroupBarrier();
    var before = vec2u();
    for (var i = 0u; i < lane; i++) {
        before += counts[i];
    }

    // Of the keys on the threshold the first `wanted` are taken.
    for (var tile = 0u; tile < K; tile += TILE) {
        var equal = before.y;
        var place = before.x + min(before.y, wanted);
        for (var i = start; i < end; i++) {
            let four = similarities[first + i];
            for (var c = 0u; c < 4u; c++) {
                let at = i * 4u + c;
                if at >= BANK {
                    break;
                }
                let k = key(four[c]);
                if k < threshold || (k == threshold && equal >= wanted) {
                    continue;
                }
                equal += u32(k == threshold);
                if place >= tile && place < tile + TILE {
                    chosen[place - tile] = vec2f(labels[at], exp(four[c] / TEMPERATURE));
                }
                place++;
            }
        }
        workgroupBarrier();
        let listed = min(K - tile, TILE);
        for (var label = lane; label < STORED; label += THREADS) {
            var sum = 0.0;
            if tile > 0u {
                sum = votes[query * STORED + label];
            }
            if label < CLASSES {
                for (var i = 0u; i < listed; i++) {
                    sum += select(0.0, chosen[i].y, chosen[i].x == f32(label));
                }
            }
            votes[query * STORED + label] = sum;
        }
        workgroupBarrier();
    }
}
