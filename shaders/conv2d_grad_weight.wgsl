// dw[ky, kx, c, o] = sum over output pixels (row, ox) of x[row * STRIDE + ky - PADDING, ox * STRIDE + kx - PADDING, c] * dy[row, ox, o]
//
// As a GEMM: M = taps x input channels, N = output channels, K = all output pixels of the batch. K is huge and the result
// small, so K is cut into PARTS, each summed by other threads into its own copy of dw (sum_parts adds them).
//
// A thread makes, for one ky and all kx, TI vec4 of input channels x TO vec4 of output channels in registers, walking
// along output rows in spans of SPAN columns. Its window of KERNEL_W input columns slides: neighbouring pixels share SHARED
// of them and FRESH are loaded. No workgroup memory.
// Workgroup LANES; dispatch grid(ceil(BLOCKS * PARTS / LANES)). Sizes with a 4 are in vec4s.
// +SHARE: the SUBGROUP lanes of a workgroup want the same dy and differ in (ky, c), so each loads some of the next PIXELS
// pixels' dy and the others read them from its register; dispatch grid(PARTS * OC4 / TO * ceil(INPUTS / SUBGROUP)).

//!include common/grid
//!include common/stored

@group(0) @binding(0) var<storage, read> x: array<Stored>;
@group(0) @binding(1) var<storage, read> dy: array<Stored>;
@group(0) @binding(2) var<storage, read_write> dw: array<vec4f>;

const SPANS_X: u32 = (OUT_W + SPAN - 1u) / SPAN;
// Pairs of ky and a block of input channels.
const INPUTS: u32 = KERNEL_H * (IC4 / TI);

// A vec4 of channels of an input column; zero outside of the image.
fn column(in_row: u32, inside_y: bool, ix: i32, c: u32) -> vec4f {
    let inside = inside_y && ix >= 0 && ix < i32(IN_W);
    return select(vec4f(), vec4f(x[select(0u, in_row + u32(ix), inside) * IC4 + c]), inside);
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
//!if SHARE
    @builtin(subgroup_invocation_id) lane: u32,
//!else
    @builtin(local_invocation_index) lane: u32,
//!end
) {
    let group = flat_workgroup(workgroup, workgroups);
//!if SHARE
    const GROUPS: u32 = (INPUTS + SUBGROUP - 1u) / SUBGROUP;
    // The last row of a long dispatch may be longer than needed.
    if group >= PARTS * (OC4 / TO) * GROUPS {
        return;
    }
    let part = group / (GROUPS * (OC4 / TO));
    let o = group / GROUPS % (OC4 / TO) * TO;
    // Every lane takes part in the exchange; those past the end redo the last pair and do not store it.
    let pair = group % GROUPS * SUBGROUP + lane;
    let stores = pair < INPUTS;
    let input = min(pair, INPUTS - 1u);
//!else
    let thread = group * LANES + lane;
    if thread >= BLOCKS * PARTS {
        return;
    }
    let part = thread / BLOCKS;
    let o = thread % BLOCKS % (OC4 / TO) * TO;
    let input = thread % BLOCKS / (OC4 / TO);
//!end
    let c = input % (IC4 / TI) * TI;
    let ky = input / (IC4 / TI);

    var sum: array<vec4f, KERNEL_W * TI * 4u * TO>;
    let end = min((part + 1u) * SPANS_PER_PART, SPANS);
    for (var span = part * SPANS_PER_PART; span < end; span++) {
        let row = span / SPANS_X;
        let first = (span % SPANS_X) * SPAN;
        let last = min(first + SPAN, OUT_W);
        let iy = i32((row % OUT_H) * STRIDE + ky) - i32(PADDING);
        let inside_y = iy >= 0 && iy < i32(IN_H);
//!if SHARE
//!else
        if !inside_y {
            continue;
        }
//!end
        let in_row = select(0u, ((row / OUT_H) * IN_H + u32(iy)) * IN_W, inside_y);
        // Column kx of the window at pixel ox is input column ox * STRIDE + kx - PADDING. Before the first pixel: the
        // columns that it shares with the pixel before.
        var window: array<vec4f, KERNEL_W * TI>;
//!repeat KX SHARED
//!repeat T TI
        window[(KX + STRIDE) * TI + T] = column(in_row, inside_y, i32(first * STRIDE + KX) - i32(PADDING), c + T);
//!end
//!end
        for (var ox = first; ox < last; ox += PIXELS) {
//!if SHARE
            var held: array<vec4f, HELD>;
//!repeat H HELD
            {
                let e = H * SUBGROUP + lane;
                let there = ox + e / TO < last && e < PIXELS * TO;
                held[H] = select(vec4f(), vec4f(dy[select(0u, (row * OUT_W + ox + e / TO) * OC4 + o + e % TO, there)]), there);
            }
//!end
//!end
//!repeat PIXEL PIXELS
            {
//!repeat KX SHARED
//!repeat T TI
                window[KX * TI + T] = window[(KX + STRIDE) * TI + T];
//!end
//!end
                let ix = i32((ox + PIXEL) * STRIDE + SHARED) - i32(PADDING);
//!repeat KX FRESH
//!repeat T TI
                window[(SHARED + KX) * TI + T] = column(in_row, inside_y, ix + i32(KX), c + T);
//!end
//!end
//!repeat S TO
                {
//!if SHARE
                    let g = subgroupBroadcast(held[(PIXEL * TO + S) / SUBGROUP], (PIXEL * TO + S) % SUBGROUP);
//!else
                    let g = vec4f(dy[(row * OUT_W + ox) * OC4 + o + S]);
//!end
//!repeat I COLUMNS
                    sum[I * 4u * TO + S] = fma(window[I].xxxx, g, sum[I * 4u * TO + S]);
                    sum[(I * 4u + 1u) * TO + S] = fma(window[I].yyyy, g, sum[(I * 4u + 1u) * TO + S]);
                    sum[(I * 4u + 2u) * TO + S] = fma(window[I].zzzz, g, sum[(I * 4u + 2u) * TO + S]);
                    sum[(I * 4u + 3u) * TO + S] = fma(window[I].wwww, g, sum[(I * 4u + 3u) * TO + S]);
//!end
                }
//!end
            }
//!end
        }
    }

//!if SHARE
    if !stores {
        return;
    }
//!end
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
