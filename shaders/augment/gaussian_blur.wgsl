// One of six passes of PIL's GaussianBlur over HEIGHT x WIDTH images: a box of 2 radius + 1 pixels and a part of one more at each end
// along rows (ALONG_ROWS) or columns, three times each; the pixels at the borders are repeated. Radius and weights, 2^24 a whole one,
// stand in the image's table row. Whole numbers from 0 to 255 as in PIL, rounded after every pass: the FIRST makes them of numbers
// from 0 to 1, the LAST gives those back, normalised if it is the last of its chain. Of images that are not blurred the first pass makes
// a copy, the last takes it, and those between do nothing.
// Workgroup THREADS for CHUNK pixels of one image, CHUNKS of them an image; dispatch grid(IMAGES * CHUNKS).
//!include common/grid
//!include common/augment_params
//!include common/normalize

//!if ALONG_ROWS
const LENGTH: u32 = WIDTH;
const STEP: u32 = 1u;
//!else
const LENGTH: u32 = HEIGHT;
const STEP: u32 = WIDTH;
//!end
const WHOLE_BITS: u32 = 24u;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> table: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

// The pixel of a line at place i, or the nearest that there is.
fn pixel_at(line: u32, i: i32) -> vec3u {
    let value = x[line + u32(clamp(i, 0, i32(LENGTH) - 1)) * STEP].xyz;
//!if FIRST
    return vec3u(clamp(value, vec3f(0.0), vec3f(1.0)) * 255.0 + 0.5);
//!else
    return vec3u(value);
//!end
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
    let row = table[image * VIEW_ROW_VECTORS + 3u];
    let blurs = bitcast<f32>(row.x) > 0.0;
//!if BETWEEN
    if !blurs {
        return;
    }
//!end
    let first = image * HEIGHT * WIDTH;
    let chunk = (group % CHUNKS) * CHUNK;
    let end = min(chunk + CHUNK, HEIGHT * WIDTH);
    for (var pixel = chunk + lane; pixel < end; pixel += THREADS) {
        var value = x[first + pixel].xyz;
        if blurs {
//!if ALONG_ROWS
            let line = first + pixel / WIDTH * WIDTH;
            let place = i32(pixel % WIDTH);
//!else
            let line = first + pixel % WIDTH;
            let place = i32(pixel / WIDTH);
//!end
            let radius = i32(row.y);
            var box = pixel_at(line, place);
            for (var d = 1; d <= radius; d++) {
                box += pixel_at(line, place - d) + pixel_at(line, place + d);
            }
            let ends = pixel_at(line, place - radius - 1) + pixel_at(line, place + radius + 1);
            // Below 2^32: the weights add up to 2^24 at most.
            let sum = (box * row.z + ends * row.w + (1u << (WHOLE_BITS - 1u))) >> vec3u(WHOLE_BITS);
            value = vec3f(sum);
//!if LAST
            value /= 255.0;
//!end
        }
//!if LAST
        y[first + pixel] = normalized(value);
//!else
        y[first + pixel] = vec4f(value, 0.0);
//!end
    }
}
