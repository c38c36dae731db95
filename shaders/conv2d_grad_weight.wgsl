// dw[ky, kx, c, o] = sum over output pixels (row, ox) of x[row * STRIDE + ky - PADDING, ox * STRIDE + kx - PADDING, c] * dy[row, ox, o]
//
// As a GEMM: M = taps x input channels, N = output channels, K = all output pixels of the batch. K is huge and the result
// small, so K is cut into PARTS, each summed by other threads into its own copy of dw (sum_parts adds them).
//
// A thread makes, for one ky and all kx, TI vec4 of input channels x TO vec4 of output channels in registers, walking
// along output rows in spans of SPAN columns. Its window of KERNEL_W input columns slides: neighbouring pixels share SHARED
// of them and FRESH are loaded. No workgroup memory.
// Workgroup LANES; dispatch ceil(BLOCKS * PARTS / LANES). Sizes with a 4 are in vec4s.

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> dw: array<vec4f>;

const SPANS_X: u32 = (OUT_W + SPAN - 1u) / SPAN;

// A vec4 of channels of an input column; zero outside of the image.
fn column(in_row: u32, ix: i32, c: u32) -> vec4f {
    let inside = ix >= 0 && ix < i32(IN_W);
    return select(vec4f(), x[select(0u, in_row + u32(ix), inside) * IC4 + c], inside);
}

@compute @workgroup_size(LANES)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= BLOCKS * PARTS {
        return;
    }
    let part = id.x / BLOCKS;
    let block = id.x % BLOCKS;
    let o = (block % (OC4 / TO)) * TO;
    let c = (block / (OC4 / TO)) % (IC4 / TI) * TI;
    let ky = block / (OC4 / TO * (IC4 / TI));

    var sum: array<vec4f, KERNEL_W * TI * 4u * TO>;
    let end = min((part + 1u) * SPANS_PER_PART, SPANS);
    for (var span = part * SPANS_PER_PART; span < end; span++) {
        let row = span / SPANS_X;
        let first = (span % SPANS_X) * SPAN;
        let iy = i32((row % OUT_H) * STRIDE + ky) - i32(PADDING);
        if iy < 0 || iy >= i32(IN_H) {
            continue;
        }
        let in_row = ((row / OUT_H) * IN_H + u32(iy)) * IN_W;
        // Column kx of the window at pixel ox is input column ox * STRIDE + kx - PADDING. Before the first pixel: the
        // columns that it shares with the pixel before.
        var window: array<vec4f, KERNEL_W * TI>;
//!repeat KX SHARED
//!repeat T TI
        window[(KX + STRIDE) * TI + T] = column(in_row, i32(first * STRIDE + KX) - i32(PADDING), c + T);
//!end
//!end
        for (var ox = first; ox < min(first + SPAN, OUT_W); ox++) {
//!repeat KX SHARED
//!repeat T TI
            window[KX * TI + T] = window[(KX + STRIDE) * TI + T];
//!end
//!end
//!repeat KX FRESH
//!repeat T TI
            window[(SHARED + KX) * TI + T] = column(in_row, i32(ox * STRIDE + SHARED + KX) - i32(PADDING), c + T);
//!end
//!end
//!repeat S TO
            {
                let g = dy[(row * OUT_W + ox) * OC4 + o + S];
//!repeat I COLUMNS
                sum[I * 4u * TO + S] = fma(window[I].xxxx, g, sum[I * 4u * TO + S]);
                sum[(I * 4u + 1u) * TO + S] = fma(window[I].yyyy, g, sum[(I * 4u + 1u) * TO + S]);
                sum[(I * 4u + 2u) * TO + S] = fma(window[I].zzzz, g, sum[(I * 4u + 2u) * TO + S]);
                sum[(I * 4u + 3u) * TO + S] = fma(window[I].wwww, g, sum[(I * 4u + 3u) * TO + S]);
//!end
            }
//!end
        }
    }

    let tap = (part * KERNEL_H + ky) * KERNEL_W;
//!repeat KX KERNEL_W
//!repeat T TI
//!repeat Q 4
//!repeat S TO
    dw[(((tap + KX) * IC4 + c + T) * 4u + Q) * OC4 + o + S] = sum[((KX * TI + T) * 4u + Q) * TO + S];
//!end
//!end
//!end
//!end
}
