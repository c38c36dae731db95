// Colour jitter, then grayscale, then normalisation, of images in [0, 1]: torchvision's adjust_brightness, adjust_contrast,
// adjust_saturation, adjust_hue in the order of the image's table row, and rgb_to_grayscale.
// One workgroup an image of PIXELS pixels, because contrast blends with the image's mean gray at that point of the chain: a
// first pass sums it where contrast is drawn, in a fixed order, and computes the changes before it twice rather than storing them.
// Workgroup THREADS; dispatch grid(IMAGES).
//!include common/grid
//!include common/augment_params
//!include common/normalize

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> table: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

const BRIGHTNESS: u32 = 0u;
const CONTRAST: u32 = 1u;
const HUE: u32 = 3u;

var<workgroup> partial: array<f32, THREADS>;

fn gray(rgb: vec3f) -> f32 {
    return dot(rgb, vec3f(0.2989, 0.587, 0.114));
}

fn code(row: ViewRow, step: u32) -> u32 {
    return (row.order >> (step * 2u)) & 3u;
}

// Turns the hue by a part of the colour circle (through HSV; saturation and value stay).
fn turned(rgb: vec3f, turn: f32) -> vec3f {
    let most = max(rgb.r, max(rgb.g, rgb.b));
    let range = most - min(rgb.r, min(rgb.g, rgb.b));
    if range == 0.0 {
        return rgb;
    }
    let d = (rgb.gbr - rgb.brg) / range;
    let sixth = select(select(4.0 + d.z, 2.0 + d.y, most == rgb.g), d.x, most == rgb.r);
    // Red, green and blue at a hue are one curve with three phases: up, flat, down, flat over six sixths.
    let phase = vec3f(5.0, 3.0, 1.0) + sixth + 6.0 * turn;
    let k = phase - 6.0 * floor(phase / 6.0);
    return most - range * clamp(min(k, 4.0 - k), vec3f(0.0), vec3f(1.0));
}

// The blends number `from_step` up to `to_step` of the row's order, none of them hue. Brightness, contrast and saturation blend
// with black, the mean gray of the image and the gray of the pixel.
fn blends(start: vec3f, row: ViewRow, from_step: u32, to_step: u32, mean: f32) -> vec3f {
    var rgb = start;
    for (var step = from_step; step < to_step; step++) {
        let change = code(row, step);
        let other = select(select(gray(rgb), mean, change == CONTRAST), 0.0, change == BRIGHTNESS);
        let factor = row.factors[change];
        rgb = clamp(factor * rgb + (1.0 - factor) * other, vec3f(0.0), vec3f(1.0));
    }
    return rgb;
}

// The first `steps` changes; hue is number `hue`. A switch in one loop would cost all its branches at every step where the
// device is a CPU.
fn jitter(start: vec3f, row: ViewRow, hue: u32, steps: u32, mean: f32) -> vec3f {
    var rgb = blends(start, row, 0u, min(hue, steps), mean);
    if hue < steps && row.factors.w != 0.0 {
        rgb = turned(rgb, row.factors.w);
    }
    return blends(rgb, row, hue + 1u, steps, mean);
}

// Which step of the order a change is.
fn step_of(row: ViewRow, change: u32) -> u32 {
    var step = 0u;
    while step < 3u && code(row, step) != change {
        step++;
    }
    return step;
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let image = flat_workgroup(workgroup, workgroups);
    if image >= IMAGES {
        return;
    }
    let at = image * VIEW_ROW_VECTORS;
    let row = view_row(table[at], table[at + 1u], table[at + 2u], table[at + 3u]);
    let first = image * PIXELS;
    let hue = step_of(row, HUE);
    var steps = 0u;
    var mean = 0.0;
    if row.jitter {
        steps = 4u;
        // A factor of 1 needs no mean. The condition is the same for all threads: it comes from the workgroup's row.
        if row.factors.y != 1.0 {
            let contrast = step_of(row, CONTRAST);
            var sum = 0.0;
            for (var i = lane; i < PIXELS; i += THREADS) {
                sum += gray(jitter(x[first + i].xyz, row, hue, contrast, 0.0));
            }
            partial[lane] = sum;
            workgroupBarrier();
            // Every thread adds all parts: cheaper than a tree with its barriers.
            for (var i = 0u; i < THREADS; i++) {
                mean += partial[i];
            }
            mean /= f32(PIXELS);
        }
    }
    for (var i = lane; i < PIXELS; i += THREADS) {
        var rgb = jitter(x[first + i].xyz, row, hue, steps, mean);
        if row.gray {
            rgb = vec3f(gray(rgb));
        }
        y[first + i] = normalized(rgb);
    }
}
