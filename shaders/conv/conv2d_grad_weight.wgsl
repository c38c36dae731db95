// dw[ky, kx, c, o] = sum over output pixels (row, ox) of x[row * STRIDE + ky - PADDING, ox * STRIDE + kx - PADDING, c] * dy[row, ox, o]
//
// As a GEMM: M = taps x input channels, N = output channels, K = all output pixels of the batch. K is huge and the result
// small, so K is cut into PARTS, each summed by other threads into its own copy of dw (sum_parts adds them).
//
// A thread makes, for one ky and all kx, a vec4 of input channels x TO vec4 of output channels in registers, walking along
// output rows in spans of SPAN columns, PIXELS at a time. Its window of COLUMNS input columns slides: SHARED of them stay and
// FRESH are loaded. No workgroup memory.
// Workgroup LANES; dispatch grid(ceil(BLOCKS * PARTS / LANES)). Sizes with a 4 are in vec4s.
// +SHARE: the SUBGROUP lanes of a workgroup use the same dy and differ in (ky, c), so each loads some of it and the others
// read it from its register; dispatch grid(PARTS * OC4 / TO * ceil(INPUTS / SUBGROUP)).

//!include common/remainder
//!include common/grid
//!include common/stored

@group(0) @binding(0) var<storage, read> x: array<Stored>;
@group(0) @binding(1) var<storage, read> dy: array<Stored>;
@group(0) @binding(2) var<storage, read_write> dw: array<vec4f>;

const SPANS_X: u32 = (OUT_W + SPAN - 1u) / SPAN;
// Pairs of ky and a vec4 of input channels.
const INPUTS: u32 = KERNEL_H * IC4;

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
    let c = input % IC4;
    let ky = input / IC4;

    // sum[O * KERNEL_W + KX]: the four input channels c, output channel o * 4 + O.
    var sum: array<vec4f, TO * 4u * KERNEL_W>;
    let end = min((part + 1u) * SPANS_PER_PART, SPANS);
    for (var span = part * SPANS_PER_PART; span < end; span++) {
        let row = span / SPANS_X;
        let first = (span % SPANS_X) * SPAN;
        let last = min(first + SPAN, OUT_W);
        let iy = i32(remainder(row, OUT_H) * STRIDE + ky) - i32(PADDING);
        let inside_y = iy >= 0 && iy < i32(IN_H);
//!if SHARE
//!else
        if !inside_y {
            continue;
        }
//!end
        let in_row = select(0u, ((row / OUT_H) * IN_H + u32(iy)) * IN_W, inside_y);
        // Input columns from ox * STRIDE - PADDING on. Before the first pixels: those that they share with the pixels before.
        var window: array<vec4f, COLUMNS>;
//!repeat KX SHARED
        window[PIXELS * STRIDE + KX] = column(in_row, inside_y, i32(first * STRIDE + KX) - i32(PADDING), c);
//!end
        for (var ox = first; ox < last; ox += PIXELS) {
//!repeat KX SHARED
            window[KX] = window[PIXELS * STRIDE + KX];
//!end
//!repeat KX FRESH
            window[SHARED + KX] = column(in_row, inside_y, i32(ox * STRIDE + SHARED + KX) - i32(PADDING), c);
//!end
            // dy of pixel P and the vec4 of channels o + S is entry P * TO + S; past the end it is zero.
            var mine: array<vec4f, HELD>;
//!repeat H HELD
            {
//!if SHARE
                let e = min(H * SUBGROUP + lane, PIXELS * TO - 1u);
//!else
                const e: u32 = H;
//!end
                let there = ox + e / TO < last;
                mine[H] = select(vec4f(), vec4f(dy[select(0u, (row * OUT_W + ox + e / TO) * OC4 + o + e % TO, there)]), there);
            }
//!end
//!repeat S TO
            {
                var g: array<vec4f, PIXELS>;
//!repeat P PIXELS
//!if SHARE
                g[P] = subgroupBroadcast(mine[(P * TO + S) / SUBGROUP], (P * TO + S) % SUBGROUP);
//!else
                g[P] = mine[P * TO + S];
//!end
//!end
                // One output channel at a time, all pixels: its sums stay in registers meanwhile.
//!repeat Q 4
//!repeat P PIXELS
//!repeat KX KERNEL_W
                sum[(S * 4u + Q) * KERNEL_W + KX] = fma(window[P * STRIDE + KX], vec4f(g[P][Q]), sum[(S * 4u + Q) * KERNEL_W + KX]);
//!end
//!end
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
//!repeat Q 4
//!repeat S TO
    dw[((tap + KX) * IC4 + c) * 4u * OC4 + Q * OC4 + o + S] = vec4f(
        sum[S * 4u * KERNEL_W + KX][Q],
        sum[(S * 4u + 1u) * KERNEL_W + KX][Q],
        sum[(S * 4u + 2u) * KERNEL_W + KX][Q],
        sum[(S * 4u + 3u) * KERNEL_W + KX][Q],
    );
//!end
//!end
//!end
}
