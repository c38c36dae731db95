//! Mean and standard deviation over pixels, from exact sums: the order in which images are added does not matter.

/// Sums over the pixels of images with 8 bits a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moments {
    pixels: u128,
    /// Of each channel, the sum of its values and of their squares.
    sums: [(u128, u128); 3],
}

impl Moments {
    /// Of an image, or of several of one kind: `channels` (1 or 3) bytes a pixel. Gray counts as red, green and blue alike.
    pub fn of(channels: u32, pixels: &[u8]) -> Moments {
        let (count, sums) = match channels {
            1 => (pixels.len(), [sums::<1>(pixels)[0]; 3]),
            _ => (pixels.len() / 3, sums::<3>(pixels)),
        };
        Moments { pixels: count as u128, sums: sums.map(|(sum, squares)| (u128::from(sum), u128::from(squares))) }
    }

    /// Adds the pixels of another.
    pub fn add(&mut self, other: &Moments) {
        self.pixels += other.pixels;
        for (sum, more) in self.sums.iter_mut().zip(other.sums) {
            *sum = (sum.0 + more.0, sum.1 + more.1);
        }
    }

    /// Mean and standard deviation (that of the population) of red, green and blue, scaled to 0 to 1; of no pixels zeros.
    pub fn mean_std(&self) -> ([f64; 3], [f64; 3]) {
        let n = self.pixels.max(1) as f64;
        let mean = self.sums.map(|(sum, _)| sum as f64 / n / 255.0);
        let std =
            self.sums.map(|(sum, squares)| (squares as f64 / n - (sum as f64 / n).powi(2)).max(0.0).sqrt() / 255.0);
        (mean, std)
    }
}

/// Exact for any slice in memory: 255^2 * 2^48 < 2^64.
fn sums<const C: usize>(pixels: &[u8]) -> [(u64, u64); C] {
    let mut sums = [(0, 0); C];
    for pixel in pixels.as_chunks::<C>().0 {
        for (sum, &byte) in sums.iter_mut().zip(pixel) {
            let value = u64::from(byte);
            *sum = (sum.0 + value, sum.1 + value * value);
        }
    }
    sums
}
