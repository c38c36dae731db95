// How many multiply-adds this adapter does with cooperative matrices when nothing has to be fetched: CHAINS sums a subgroup, independent
// of each other, each the start of a long chain `sum += a * b`. The twin of ceiling_fma.wgsl.
//
// What a and b hold and the rounds are read from memory; every thread stores a number of its first sums.
// Operations: 2 * SIZE^3 * CHAINS * UNROLL a round and subgroup. Workgroup THREADS, of which the driver makes subgroups: the last of
// `sums` tells how many. Dispatch THREADS_IN_ALL / THREADS.
//
// Constants CHAINS, UNROLL, WAVES, THREADS, THREADS_IN_ALL and those of common/coop.
//!include common/coop

// Rounds, a, b.
@group(0) @binding(0) var<storage, read> params: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;

var<workgroup> tile: array<f16, 2u * SIZE * SIZE>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(global_invocation_id) id: vec3u,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
) {
    for (var i = lane; i < 2u * SIZE * SIZE; i += THREADS) {
        tile[i] = f16(select(params[2], params[1], i < SIZE * SIZE));
    }
    workgroupBarrier();
    let rounds = u32(params[0]);
    let at_a = 0u;
    let at_b = SIZE * SIZE;
    let stride = SIZE;
    let a = coopLoadT<MatrixA>(&tile[at_a], stride);
    let b = coopLoadT<MatrixB>(&tile[at_b], stride);
    //!repeat C CHAINS
    var sum__C: MatrixC;
    //!end
    for (var round = 0u; round < rounds; round++) {
        //!repeat U UNROLL
        //!repeat C CHAINS
        sum__C = coopMultiplyAdd(a, b, sum__C);
        //!end
        //!end
    }
    let mine = min(subgroup, WAVES) * (SIZE * SIZE);
    let patch_stride = SIZE;
    var total = 0.0;
    //!repeat C CHAINS
    coopStoreT(sum__C, &patches[mine], patch_stride);
    workgroupBarrier();
    total += f32(patches[lane % (WAVES * SIZE * SIZE)]);
    workgroupBarrier();
    //!end
    sums[id.x] = total;
    if id.x == 0u {
        sums[THREADS_IN_ALL] = f32(subgroups);
    }
}
