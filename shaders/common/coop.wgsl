// Cooperative matrices of SIZE x SIZE: a subgroup multiplies f16 matrices as one, sums in f32 (or f16: without +F32_SUM).
// They are opaque, so results leave through a patch of workgroup memory, which knows rows and columns.
//
// A workgroup has at least WAVES subgroups, each with matrices of its own; how many lanes a subgroup has is the driver's
// choice at compile time. Surplus ones repeat what the last does and leave it in an unused slot: matrices need
// uniform control flow, which an `if` around them is not.
// naga requires names, not arrays, of matrices, and index and stride of a load in a `let` each.

//!if SIZE_16
//!type MatrixA coop_mat16x16<f16, A>
//!type MatrixB coop_mat16x16<f16, B>
//!if F32_SUM
//!type MatrixC coop_mat16x16<f32, C>
//!else
//!type MatrixC coop_mat16x16<f16, C>
//!end
//!else
//!type MatrixA coop_mat8x8<f16, A>
//!type MatrixB coop_mat8x8<f16, B>
//!if F32_SUM
//!type MatrixC coop_mat8x8<f32, C>
//!else
//!type MatrixC coop_mat8x8<f16, C>
//!end
//!end

//!if F32_SUM
var<workgroup> patches: array<f32, (WAVES + 1u) * SIZE * SIZE>;
//!else
var<workgroup> patches: array<f16, (WAVES + 1u) * SIZE * SIZE>;
//!end

// Four numbers of the patches, from `at` on.
fn patch_vector(at: u32) -> vec4f {
    return vec4f(f32(patches[at]), f32(patches[at + 1u]), f32(patches[at + 2u]), f32(patches[at + 3u]));
}
