//! The launch of `conv2d_grad_weight_tiled.wgsl`: tiles in workgroup memory, for GPUs.

use super::tile::{Tile, choose};
use super::weight_gradient::{WeightGradient, most_parts};
use crate::graph::{Candidate, Lowered, Target, grid};

/// Every thread loads the same vec4 of M and of N of one or several pixels: threads are a multiple of `m / 4` and of
/// `n / 4`, and the vec4s of both tiles a multiple of the threads.
const TILES: &[Tile] = &[
    Tile::new([128, 128, 8], [8, 8]),
    Tile::new([128, 64, 16], [8, 4]),
    Tile::new([128, 32, 16], [8, 4]),
    Tile::new([64, 64, 16], [8, 4]),
    Tile::new([64, 64, 16], [4, 4]),
    Tile::new([64, 32, 16], [4, 4]),
    Tile::new([64, 16, 16], [4, 4]),
    Tile::new([32, 32, 16], [4, 4]),
    Tile::new([32, 16, 16], [4, 4]),
];

/// A tuner times each.
const MOST: usize = 7;

/// The candidates of a node, the best guess first.
pub(super) fn candidates(weight: &WeightGradient, target: &Target) -> Vec<Candidate> {
    let [m, n] = [weight.m4() * 4, weight.oc4 * 4];
    let pixels = weight.rows * weight.out_w;
    let most = most_parts(weight, target);
    let parts = |tile: &Tile| {
        let inner = [pixels, tile.k];
        tile.cover().parts([m, n], inner, most, target)
    };
    choose(TILES, [m, n], parts, target)
        .into_iter()
        .take(MOST)
        .map(|tile| Candidate { name: tile.name(), lowered: lower(weight, &tile, parts(&tile)) })
        .collect()
}

fn lower(weight: &WeightGradient, tile: &Tile, parts: usize) -> Lowered {
    let (m4, n4, threads) = (tile.m / 4, tile.n / 4, tile.threads());
    let (tiles_m, tiles_n) = (weight.m4().div_ceil(m4), weight.oc4.div_ceil(n4));
    let pixels = weight.rows * weight.out_w;
    let pixels_per_part = pixels.div_ceil(parts).next_multiple_of(tile.k);
    let parts = pixels.div_ceil(pixels_per_part);
    let kernel = weight
        .kernel("conv2d_grad_weight_tiled")
        .with("BM4", m4)
        .with("BN4", n4)
        .with("BK", tile.k)
        .with("TM4", tile.tm / 4)
        .with("TN4", tile.tn / 4)
        .with("LOADS_X", tile.k * m4 / threads)
        .with("LOADS_DY", tile.k * n4 / threads)
        .with("TILES_M", tiles_m)
        .with("TILES_N", tiles_n)
        .with("PARTS", parts)
        .with("PIXELS", pixels_per_part);
    weight.summed(kernel, grid(parts * tiles_m * tiles_n), parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_the_loads_evenly() {
        for tile in TILES {
            let threads = tile.threads();
            assert!(threads <= 256 && threads.is_multiple_of(tile.m / 4), "{tile:?}");
            assert!(threads.is_multiple_of(tile.n / 4), "{tile:?}");
            assert!((tile.m * tile.k / 4).is_multiple_of(threads), "{tile:?}");
            assert!((tile.k * tile.n / 4).is_multiple_of(threads), "{tile:?}");
        }
    }
}
