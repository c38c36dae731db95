//! The sum of equal parts in a fixed order: how a split reduction ends, without float atomics.

use crate::gpu::Kernel;
use crate::graph::{Launch, Slot, grid};

/// `to[i]` = the sum over parts p of `from[p * words + i]`, in the order of p. `words` is a multiple of four.
pub(super) fn sum_parts(parts: usize, words: usize, from: Slot, to: Slot) -> Launch {
    let vectors = words / 4;
    let kernel = Kernel::new("sum_parts").with("PARTS", parts).with("VECTORS", vectors);
    Launch::new(kernel, [from, to], grid(vectors.div_ceil(64)))
}
