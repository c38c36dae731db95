// y = mean over the PIXELS pixels of each image; a thread makes one vec4 of channels, of which an image has CHANNELS.
// VECTORS = images * CHANNELS. Workgroup 64; dispatch grid(ceil(VECTORS / 64)).
//!include common/grid
//!include common/stored

@group(0) @binding(0) var<storage, read> x: array<Stored>;
@group(0) @binding(1) var<storage, read_write> y: array<Stored>;

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
    let first = i / CHANNELS * PIXELS * CHANNELS + i % CHANNELS;
    var sum = vec4f(0.0);
    for (var pixel = 0u; pixel < PIXELS; pixel++) {
        sum += vec4f(x[first + pixel * CHANNELS]);
    }
    y[i] = Stored(sum / f32(PIXELS));
}
