// One axis of torchvision's gaussian_blur on HEIGHT x WIDTH images: 2 HALF + 1 taps of a Gaussian whose standard deviation stands in
// the image's table row, weights normalised, borders reflected (the edge pixel is not repeated); 0 or less copies. Launched along
// rows (ALONG_ROWS), then along columns, where the result is also normalised if it is the last of its chain.
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

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> table: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

// A position outside 0 .. LENGTH - 1 mirrored into it; never further out than HALF < LENGTH.
fn reflected(i: i32) -> u32 {
    let last = i32(LENGTH) - 1;
    return u32(last - abs(last - abs(i)));
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
    let sigma = bitcast<f32>(table[image * VIEW_ROW_VECTORS + 3u].x);
    let first = image * HEIGHT * WIDTH;
    let chunk = (group % CHUNKS) * CHUNK;
    let end = min(chunk + CHUNK, HEIGHT * WIDTH);
    for (var pixel = chunk + lane; pixel < end; pixel += THREADS) {
        var sum = x[first + pixel].xyz;
        if sigma > 0.0 {
//!if ALONG_ROWS
            let line = first + pixel / WIDTH * WIDTH;
            let place = i32(pixel % WIDTH);
//!else
            let line = first + pixel % WIDTH;
            let place = i32(pixel / WIDTH);
//!end
            var total = 1.0;
            for (var d = 1; d <= i32(HALF); d++) {
                let distance = f32(d) / sigma;
                let w = exp(-0.5 * distance * distance);
                let before = x[line + reflected(place - d) * STEP].xyz;
                let after = x[line + reflected(place + d) * STEP].xyz;
                sum += w * (before + after);
                total += 2.0 * w;
            }
            sum /= total;
        }
        y[first + pixel] = normalized(sum);
    }
}
