// Statistics of each view from those of its parts (Chan et al.): stats[view, 0, c] = mean, stats[view, 1, c] =
// 1 / sqrt(biased variance + EPS). The running statistics move by MOMENTUM towards the mean and the unbiased variance,
// once a view, in order. +F16: where an activation has left the range of f16, they stay: the step is skipped, and what is
// not finite now would be there for ever. +MOMENTS: the second is the sum of squared deviations instead, as of one part, and no
// running statistics move: other ranks have more parts.
// Threads and dispatch as common/merge says.
//!include common/grid
//!include common/merge
//!if F16
//!include common/finite
//!end

@group(0) @binding(0) var<storage, read> partial: array<vec4u>; // floats, see common/finite
@group(0) @binding(1) var<storage, read_write> stats: array<vec4f>;
//!if MOMENTS
//!else
@group(0) @binding(2) var<storage, read_write> running_mean: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> running_var: array<vec4f>;
//!end

fn part_at(i: u32) -> vec4f {
    return bitcast<vec4f>(partial[i]);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let me = merger(flat_workgroup(workgroup, workgroups), lane);
    let c = me.c;
//!repeat VIEW VIEWS
    {
        let base = VIEW * PARTS * 2u * C4 + c;
        // Deviations from the first part's mean, so that a large common mean costs no digits.
        let shift = part_at(base);
        var mean = vec4f();
//!if F16
        var most = vec4u();
//!end
        for (var part = me.first; part < PARTS; part += STEP) {
            let count = f32(min(ROWS_PER_PART, ROWS - part * ROWS_PER_PART));
            mean = fma(vec4f(count), part_at(base + part * 2u * C4) - shift, mean);
//!if F16
            most = max(most, magnitude(partial[base + part * 2u * C4]));
            most = max(most, magnitude(partial[base + part * 2u * C4 + C4]));
//!end
        }
        mean = over_parts(lane, mean) / f32(ROWS);
        var squares = vec4f();
        for (var part = me.first; part < PARTS; part += STEP) {
            let count = f32(min(ROWS_PER_PART, ROWS - part * ROWS_PER_PART));
            let d = part_at(base + part * 2u * C4) - shift - mean;
            squares += fma(d * count, d, part_at(base + part * 2u * C4 + C4));
        }
        squares = over_parts(lane, squares);
        mean += shift;
//!if F16
        let good = over_parts(lane, select(vec4f(1.0), vec4f(), finite(most))) == vec4f();
//!end
        if me.stores {
            stats[VIEW * 2u * C4 + c] = mean;
//!if MOMENTS
            stats[(VIEW * 2u + 1u) * C4 + c] = squares;
//!else
            // Padding channels stay zero.
            let real = vec4u(c * 4u) + vec4u(0u, 1u, 2u, 3u) < vec4u(CHANNELS);
            stats[(VIEW * 2u + 1u) * C4 + c] = select(vec4f(), 1.0 / sqrt(squares / f32(ROWS) + EPS), real);
            var rate = vec4f(MOMENTUM);
//!if F16
            rate = select(vec4f(), rate, good);
            mean = select(vec4f(), mean, good);
            squares = select(vec4f(), squares, good);
//!end
            running_mean[c] = mix(running_mean[c], mean, rate);
            running_var[c] = mix(running_var[c], squares / f32(ROWS - 1u), rate);
//!end
        }
    }
//!end
}
