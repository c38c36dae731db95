// y = largest x of each window of KERNEL x KERNEL pixels, STRIDE apart; pixels outside the image do not take part.
// x [N, H, W, CHANNELS vec4s], y [N, OH, OW, CHANNELS vec4s]; a thread makes one vec4 of y, of which there are VECTORS.
// PADDING < KERNEL, so every window has a pixel. Workgroup 64; dispatch grid(ceil(VECTORS / 64)).
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
    let channel = i % CHANNELS;
    let left = i / CHANNELS % OW * STRIDE;
    let top = i / (CHANNELS * OW) % OH * STRIDE;
    let image = i / (CHANNELS * OW * OH);
    let columns = vec2u(max(left, PADDING), min(left + KERNEL, W + PADDING)) - PADDING;
    let rows = vec2u(max(top, PADDING), min(top + KERNEL, H + PADDING)) - PADDING;
    var best = vec4f(x[((image * H + rows.x) * W + columns.x) * CHANNELS + channel]);
    for (var row = rows.x; row < rows.y; row++) {
        for (var column = columns.x; column < columns.y; column++) {
            best = max(best, vec4f(x[((image * H + row) * W + column) * CHANNELS + channel]));
        }
    }
    y[i] = Stored(best);
}
