//! The launch of `conv2d_tiled.wgsl`: tiles in workgroup memory, for GPUs.

use super::implicit_gemm::{ConvAxis, ImplicitGemm};
use super::tile::{Tile, choose};
use crate::graph::{Candidate, Launch, Lowered, Slot, Target, grid};

/// Every thread loads the same number of vec4s of each factor: threads are a multiple of `k / 4` and of `n / 4`, and the
/// vec4s of both tiles a multiple of the threads.
const TILES: &[Tile] = &[
    Tile::new([128, 128, 16], [8, 8]),
    Tile::new([128, 128, 8], [8, 8]),
    Tile::new([128, 64, 16], [8, 8]),
    Tile::new([128, 64, 16], [8, 4]),
    Tile::new([128, 32, 16], [8, 4]),
    Tile::new([128, 16, 16], [8, 4]),
    Tile::new([64, 64, 16], [8, 4]),
    Tile::new([64, 64, 16], [4, 4]),
    Tile::new([64, 32, 16], [4, 4]),
    Tile::new([64, 16, 16], [4, 4]),
    Tile::new([32, 32, 16], [4, 4]),
    Tile::new([32, 16, 16], [2, 4]),
];

/// A tuner times each.
const MOST: usize = 7;

/// The candidates of a node, the best guess first.
pub(super) fn candidates(phases: &[ImplicitGemm], slots: &[Slot], target: &Target) -> Vec<Candidate> {
    let pixels = |phase: &ImplicitGemm| phase.rows() * phase.x.output;
    let m = phases.iter().map(pixels).max().unwrap_or(1);
    let n = phases.first().map_or(1, |phase| phase.n4 * 4);
    choose(TILES, [m, n], |_| 1, target)
        .into_iter()
        .take(MOST)
        .map(|tile| Candidate {
            name: tile.name(),
            lowered: Lowered {
                launches: phases.iter().map(|p| launch(p, &tile, slots)).collect(),
                scratch: Vec::new(),
            },
        })
        .collect()
}

fn launch(phase: &ImplicitGemm, tile: &Tile, slots: &[Slot]) -> Launch {
    let (k4, n4, threads) = (tile.k / 4, tile.n / 4, tile.threads());
    let tiles_m = (phase.rows() * phase.x.output).div_ceil(tile.m);
    let tiles_n = phase.n4.div_ceil(n4);
    let blocks = (k4 * n4).div_ceil(threads);
    let loads_w = match phase.transposed {
        true => blocks * 4,
        false => tile.k * n4 / threads,
    };
    let dense = |axis: &ConvAxis| axis.out_stride == 1 && axis.out_offset == 0;
    let kernel = phase
        .kernel("conv2d_tiled")
        .with("DENSE", dense(&phase.y) && dense(&phase.x))
        .with("BM", tile.m)
        .with("BN4", n4)
        .with("BK4", k4)
        .with("TM", tile.tm)
        .with("TN4", tile.tn / 4)
        .with("LOADS_X", tile.m * k4 / threads)
        .with("LOADS_W", loads_w)
        .with("BLOCKS_W", blocks)
        .with("TILES_M", tiles_m)
        .with("TILES_N", tiles_n);
    Launch::new(kernel, slots, grid(tiles_m * tiles_n))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A large problem takes tiles that read little; a small one takes small tiles, so that more of the device works.
    #[test]
    fn tiles_are_as_large_as_fills_the_device() {
        let gpu = Target::basic(false);
        let guess = |size| choose(TILES, size, |_| 1, &gpu)[0];
        // ResNet-18 of width 64 on 1,024 images of 32 x 32, first and last stage; the last one of 128 images; a head.
        assert_eq!(guess([1 << 20, 64]), Tile::new([128, 64, 16], [8, 8]));
        assert_eq!(guess([1 << 14, 512]), Tile::new([128, 128, 16], [8, 8]));
        assert_eq!(guess([1 << 11, 512]), Tile::new([128, 64, 16], [8, 4]));
        assert_eq!(guess([128, 512]), Tile::new([32, 16, 16], [2, 4]));
        // No device without a tile, however small the result.
        assert_eq!(guess([1, 4]), Tile::new([32, 16, 16], [2, 4]));
    }

    #[test]
    fn threads_share_the_loads_evenly() {
        for tile in TILES {
            let threads = tile.threads();
            assert!(threads <= 256 && threads.is_multiple_of(tile.k / 4), "{tile:?}");
            assert!(threads.is_multiple_of(tile.n / 4), "{tile:?}");
            assert!((tile.m * tile.k / 4).is_multiple_of(threads), "{tile:?}");
            assert!((tile.k * tile.n / 4).is_multiple_of(threads), "{tile:?}");
        }
    }
}
