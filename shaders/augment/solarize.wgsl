// Pixels of 128 / 255 and more inverted in the images whose table row says so: torchvision's solarize of images in [0, 1], channel by
// channel; the others are copied. Then normalisation. VECTORS pixels, PIXELS an image, one a thread.
// Workgroup 64; dispatch grid(ceil(VECTORS / 64)).
//!include common/grid
//!include common/augment_params
//!include common/normalize

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> table: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if i >= VECTORS {
        return;
    }
    let at = i / PIXELS * VIEW_ROW_VECTORS;
    let row = view_row(table[at], table[at + 1u], table[at + 2u], table[at + 3u]);
    let rgb = x[i].xyz;
    let light = rgb >= vec3f(THRESHOLD);
    y[i] = normalized(select(rgb, select(rgb, 1.0 - rgb, light), row.solarize));
}
