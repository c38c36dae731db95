//! Random numbers that are a pure function of what they are for.
//!
//! A [`Draw`] is a stream keyed by (seed, purpose, epoch, item, view); its n-th word is the n-th word of Philox4x32-10 under that
//! key, a counter-based generator (Salmon, Moraes, Dror & Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011). There is no
//! state to share, so a number never depends on the batch size, the thread count or the order of calls, and any of them can be
//! drawn again later.

/// Rounds of the cipher; 10 is the paper's choice with a margin of safety.
const ROUNDS: usize = 10;

/// Philox4x32-10: four random words for a 128-bit `counter` under a 64-bit `key`.
pub fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let [mut x0, mut x1, mut x2, mut x3] = counter;
    let [mut k0, mut k1] = key;
    for round in 0..ROUNDS {
        if round > 0 {
            // Weyl sequences: golden ratio and sqrt(3) - 1 in 32-bit fractions.
            k0 = k0.wrapping_add(0x9E37_79B9);
            k1 = k1.wrapping_add(0xBB67_AE85);
        }
        let (high0, low0) = multiply(0xD251_1F53, x0);
        let (high1, low1) = multiply(0xCD9E_8D57, x2);
        (x0, x1, x2, x3) = (high1 ^ x1 ^ k0, low1, high0 ^ x3 ^ k1, low0);
    }
    [x0, x1, x2, x3]
}

/// High and low word of a product.
fn multiply(a: u32, b: u32) -> (u32, u32) {
    let product = u64::from(a) * u64::from(b);
    ((product >> 32) as u32, product as u32)
}

/// What random numbers are used for; each purpose has streams of its own. The numbers are part of what a seed means: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Purpose {
    /// Initial weights; item and epoch are the halves of a hash of the parameter's name.
    Parameters = 1,
    /// The order of the images in an epoch.
    Order = 2,
    /// Augmentation of one view of one image.
    Augment = 3,
    /// Made-up inputs of benchmarks and self-tests.
    Benchmark = 4,
    /// Initial weights of a linear classifier on a frozen network.
    Probe = 5,
    /// The order in which MoCo's keys are shuffled; epoch and item are the halves of the step.
    KeyOrder = 6,
    /// Which images an evaluation may see the labels of; item is the class.
    LabelDraw = 7,
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Draw {
    key: [u32; 2],
    /// Block within the stream, item, epoch, purpose and view.
    counter: [u32; 4],
    words: [u32; 4],
    used: usize,
}

impl Draw {
    /// The stream of (seed, purpose, epoch, item, view), at its start. `item` is an image's index in the data set, or whatever the
    /// purpose counts. A stream holds 2^34 words and then repeats.
    pub fn new(seed: u64, purpose: Purpose, epoch: u32, item: u32, view: u8) -> Self {
        Self {
            key: [seed as u32, (seed >> 32) as u32],
            counter: [0, item, epoch, u32::from(purpose as u8) << 8 | u32::from(view)],
            words: [0; 4],
            used: 4,
        }
    }

    /// The next 32 random bits. Every other method takes a fixed number of these words, so positions in a stream are known.
    pub fn word(&mut self) -> u32 {
        if self.used == 4 {
            self.words = philox4x32(self.counter, self.key);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// Uniform in [0, 1), a multiple of 2^-32. One word.
    pub fn unit(&mut self) -> f64 {
        f64::from(self.word()) / 4_294_967_296.0
    }

    /// Uniform in [low, high] (the upper end is reached only by rounding). One word.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        (low + (high - low) * self.unit()).min(high)
    }

    /// True with probability `p`: never at 0, always at 1. One word.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Uniform in 0..n, and 0 for n = 0. One word: it is multiplied and shifted without rejection, so that positions stay fixed; the
    /// probabilities differ from 1/n by less than 2^-32, a relative n / 2^32.
    pub fn below(&mut self, n: u32) -> u32 {
        multiply(self.word(), n).0
    }

    /// Standard normal (Box-Muller, the cosine half). Two words. The tails end at 6.6 standard deviations. Logarithm and cosine
    /// come from the platform's mathematics library, so the last bit may differ between platforms.
    pub fn normal(&mut self) -> f64 {
        // In (0, 1], so that the logarithm is finite.
        let u = (f64::from(self.word()) + 1.0) / 4_294_967_296.0;
        let angle = std::f64::consts::TAU * self.unit();
        (-2.0 * u.ln()).sqrt() * angle.cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers of Random123's `kat_vectors` for philox4x32 with 10 rounds.
    #[test]
    fn known_answers() {
        let ones = u32::MAX;
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32([ones; 4], [ones; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        assert_eq!(philox4x32(pi, [0xa409_3822, 0x299f_31d0]), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn a_stream_depends_on_all_that_names_it_and_on_nothing_else() {
        let words = |mut draw: Draw| -> Vec<u32> { (0..9).map(|_| draw.word()).collect() };
        let base = words(Draw::new(1, Purpose::Augment, 2, 3, 0));
        assert_eq!(words(Draw::new(1, Purpose::Augment, 2, 3, 0)), base);
        for other in [
            Draw::new(2, Purpose::Augment, 2, 3, 0),
            Draw::new(1 | 1 << 40, Purpose::Augment, 2, 3, 0),
            Draw::new(1, Purpose::Order, 2, 3, 0),
            Draw::new(1, Purpose::Augment, 3, 3, 0),
            Draw::new(1, Purpose::Augment, 2, 4, 0),
            Draw::new(1, Purpose::Augment, 2, 3, 1),
        ] {
            let other = words(other);
            assert!(base.iter().zip(&other).all(|(a, b)| a != b), "{base:?} {other:?}");
        }
        assert_eq!(base[4..8], philox4x32([1, 3, 2, 3 << 8], [1, 0]));
    }

    #[test]
    fn uniform_stays_inside_and_fills() {
        let mut draw = Draw::new(7, Purpose::Benchmark, 0, 0, 0);
        let n = 40_000;
        let values: Vec<f64> = (0..n).map(|_| draw.uniform(-2.0, 3.0)).collect();
        assert!(values.iter().all(|v| (-2.0..=3.0).contains(v)));
        let mean = values.iter().sum::<f64>() / n as f64;
        // Standard error: 5 / sqrt(12 n).
        assert!((mean - 0.5).abs() < 3.0 * 5.0 / (12.0 * n as f64).sqrt(), "{mean}");
        assert_eq!(draw.uniform(1.5, 1.5), 1.5);
        assert!((0..1000).all(|_| draw.chance(1.0) && !draw.chance(0.0)));
    }

    #[test]
    fn below_is_even() {
        let mut draw = Draw::new(8, Purpose::Benchmark, 0, 0, 0);
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[draw.below(7) as usize] += 1;
        }
        // Standard deviation of a count: sqrt(70000 * 1/7 * 6/7) = 92.6.
        assert!(counts.iter().all(|c| c.abs_diff(10_000) < 4 * 93), "{counts:?}");
        assert_eq!((draw.below(0), draw.below(1)), (0, 0));
    }

    #[test]
    fn normal_has_the_moments_of_a_normal() {
        let mut draw = Draw::new(9, Purpose::Parameters, 0, 0, 0);
        let n = 100_000;
        let values: Vec<f64> = (0..n).map(|_| draw.normal()).collect();
        let moment = |power: i32| values.iter().map(|v| v.powi(power)).sum::<f64>() / n as f64;
        let error = 1.0 / (n as f64).sqrt();
        assert!(moment(1).abs() < 4.0 * error);
        assert!((moment(2) - 1.0).abs() < 4.0 * 2.0_f64.sqrt() * error);
        assert!(moment(3).abs() < 4.0 * 15.0_f64.sqrt() * error);
        assert!((moment(4) - 3.0).abs() < 4.0 * 96.0_f64.sqrt() * error);
        let within = values.iter().filter(|v| v.abs() < 1.0).count() as f64 / n as f64;
        assert!((within - 0.6827).abs() < 4.0 * error);
    }
}
