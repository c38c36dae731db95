// y[image] = a part of a source image resized to SIZE x SIZE, perhaps mirrored: torchvision's resized_crop with antialiasing.
// Each pixel is a sum over a rectangle of the crop under a triangle filter, two source pixels wide where the crop is enlarged
// and two target pixels wide where it is shrunk; weights are normalised, also at the edges of the crop.
//
// `source`: packed bytes, HWC, 1 or 3 channels (FLOAT_SOURCE: f32 bits instead of bytes, for tests), `table`: one row an image.
// Workgroup THREADS for CHUNK pixels of one image, CHUNKS of them an image, so that its row and its loops are the same for
// all threads; dispatch grid(IMAGES * CHUNKS).
// One pass over the rectangle instead of two separable ones: the crop's height is not known when the plan is recorded, so the
// picture between the passes would have no size, and even a large photo is read only about four times in all.
//!include common/grid
//!include common/augment_params
//!include common/normalize

@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read> table: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

// Red, green and blue of the pixel whose first channel is element i.
fn color(i: u32) -> vec3f {
//!if FLOAT_SOURCE
    return bitcast<vec3f>(vec3u(source[i], source[i + 1u], source[i + 2u]));
//!else
    // The three bytes lie in one word or in two neighbours. Never the word behind the last: it may not be there.
    let low = source[i >> 2u];
    let high = source[(i + 2u) >> 2u];
    let shift = (i & 3u) * 8u;
    // Two shifts, because a shift by 32 is a shift by 0.
    return unpack4x8unorm((low >> shift) | ((high << 1u) << (31u - shift))).xyz;
//!end
}

fn gray(i: u32) -> f32 {
//!if FLOAT_SOURCE
    return bitcast<f32>(source[i]);
//!else
    return unpack4x8unorm((source[i >> 2u] >> ((i & 3u) * 8u)) & 255u).x;
//!end
}

// The source pixels that a target pixel sums, along one axis.
struct Taps {
    first: u32,
    end: u32,
    // Where the first tap's middle lies under the filter, and the distance between taps; the filter ends at -1 and 1.
    at: f32,
    step: f32,
}

fn taps(target_pixel: u32, pixels: u32) -> Taps {
    let scale = f32(pixels) / f32(SIZE);
    let reach = max(scale, 1.0);
    let center = (f32(target_pixel) + 0.5) * scale;
    // Truncation is the floor: both are at least 0.
    let first = u32(max(center - reach + 0.5, 0.0));
    let end = min(u32(center + reach + 0.5), pixels);
    return Taps(first, end, (f32(first) + 0.5 - center) / reach, 1.0 / reach);
}

fn weight(t: Taps, tap: u32) -> f32 {
    return max(1.0 - abs(t.at + f32(tap - t.first) * t.step), 0.0);
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = flat_workgroup(workgroup, workgroups);
    let image = group / CHUNKS;
    if image >= IMAGES {
        return;
    }
    let at = image * VIEW_ROW_VECTORS;
    let row = view_row(table[at], table[at + 1u], table[at + 2u], table[at + 3u]);
    let chunk = (group % CHUNKS) * CHUNK;
    let end = min(chunk + CHUNK, SIZE * SIZE);
    for (var pixel = chunk + lane; pixel < end; pixel += THREADS) {
        let column = pixel % SIZE;
        let across = taps(select(column, SIZE - 1u - column, row.flip), row.crop.x);
        let down = taps(pixel / SIZE, row.crop.y);
        var sum = vec4f();
        for (var v = down.first; v < down.end; v++) {
            let weight_v = weight(down, v);
            let start = (row.top + v) * row.width + row.left;
            if row.channels == 1u {
                for (var u = across.first; u < across.end; u++) {
                    let w = weight_v * weight(across, u);
                    sum += w * vec4f(vec3f(gray(row.offset + start + u)), 1.0);
                }
            } else {
                for (var u = across.first; u < across.end; u++) {
                    let w = weight_v * weight(across, u);
                    sum += w * vec4f(color(row.offset + (start + u) * 3u), 1.0);
                }
            }
        }
        y[image * SIZE * SIZE + pixel] = normalized(sum.xyz / sum.w);
    }
}
