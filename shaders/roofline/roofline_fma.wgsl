// How many multiply-adds this adapter does when nothing has to be fetched: CHAINS vec4 accumulators a thread, independent of each
// other, so that a unit need not wait for its last result, each the start of a long chain `a = a * x + y`.
//
// x, y and the rounds are read from memory, so that no compiler can do the sum itself; every thread stores its sum.
// Operations: 8 * CHAINS * UNROLL a round and thread. Workgroup LANES, dispatch THREADS / LANES.
//
// Constants CHAINS, UNROLL, LANES. Flag F16.
//!if F16
alias Real = f16;
//!else
alias Real = f32;
//!end

// Rounds, x, y.
@group(0) @binding(0) var<storage, read> params: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(LANES)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let rounds = u32(params[0]);
    let x = vec4<Real>(Real(params[1]));
    let y = vec4<Real>(Real(params[2]));
    var a: array<vec4<Real>, CHAINS>;
    //!repeat C CHAINS
    a[C] = vec4<Real>(Real(id.x % 64u), Real(C), Real(1.0), Real(2.0));
    //!end
    for (var round = 0u; round < rounds; round++) {
        //!repeat U UNROLL
        //!repeat C CHAINS
        a[C] = fma(a[C], x, y);
        //!end
        //!end
    }
    var sum = vec4<Real>();
    //!repeat C CHAINS
    sum += a[C];
    //!end
    sums[id.x] = f32(sum.x + sum.y + sum.z + sum.w);
}
