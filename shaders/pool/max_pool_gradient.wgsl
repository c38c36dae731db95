// dx of max_pool by gathering: a pixel takes dy of every window whose first maximum, in row-major order, it is. It is
// that where x equals the window's y and no earlier pixel of the window does; ties are common after a ReLU.
// Dimensions as in max_pool; a thread makes one vec4 of dx, of which there are VECTORS.
// Workgroup 64; dispatch grid(ceil(VECTORS / 64)).
//!include common/grid
//!include common/stored

@group(0) @binding(0) var<storage, read> dy: array<Stored>;
@group(0) @binding(1) var<storage, read> x: array<Stored>;
@group(0) @binding(2) var<storage, read> y: array<Stored>;
@group(0) @binding(3) var<storage, read_write> dx: array<Stored>;

// Windows [first, end) of `count` that contain the pixel at `position`, counted with padding.
fn windows(position: u32, count: u32) -> vec2u {
    let first = select((position - KERNEL) / STRIDE + 1u, 0u, position < KERNEL);
    return vec2u(first, min(position / STRIDE + 1u, count));
}

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
    let column = i / CHANNELS % W;
    let row = i / (CHANNELS * W) % H;
    let image = i / (CHANNELS * W * H);
    let mine = x[i];
    let down = windows(row + PADDING, OH);
    let across = windows(column + PADDING, OW);
    var sum = vec4f(0.0);
    for (var oh = down.x; oh < down.y; oh++) {
        for (var ow = across.x; ow < across.y; ow++) {
            let o = ((image * OH + oh) * OW + ow) * CHANNELS + channel;
            let most = y[o];
            // 1 or 0, not a boolean: FXC folds & of boolean vectors wrongly.
            var first = select(vec4u(0u), vec4u(1u), mine == most);
            if all(first == vec4u(0u)) {
                continue;
            }
            let top = max(oh * STRIDE, PADDING) - PADDING;
            let left = max(ow * STRIDE, PADDING) - PADDING;
            let right = min(ow * STRIDE + KERNEL, W + PADDING) - PADDING;
            for (var r = top; r <= row; r++) {
                let end = select(right, column, r == row);
                for (var c = left; c < end; c++) {
                    let earlier = x[((image * H + r) * W + c) * CHANNELS + channel] == most;
                    first = select(first, vec4u(0u), earlier);
                }
            }
            sum += select(vec4f(0.0), vec4f(dy[o]), first == vec4u(1u));
        }
    }
    dx[i] = Stored(sum);
}
