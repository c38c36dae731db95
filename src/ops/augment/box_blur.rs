//! The box of which three make a Gaussian blur, as PIL has it.

/// Boxes along each axis.
pub(super) const PASSES: usize = 3;
/// Bits of a weight of 1.
const WHOLE_BITS: u32 = 24;

/// A box with soft ends: each of `2 radius + 1` pixels has the weight `inside`, one more at each end `end`. They add up to 2^24, or a few
/// less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoxBlur {
    /// Pixels on each side of the middle that count in full.
    pub radius: u32,
    /// Weight of these.
    pub inside: u32,
    /// Weight of the next on each side.
    pub end: u32,
}

impl BoxBlur {
    /// That of which three make a blur of standard deviation `sigma`, in the arithmetic of PIL's `BoxBlur.c`.
    pub fn of(sigma: f32) -> BoxBlur {
        let variance = sigma.max(0.0).powi(2) / PASSES as f32;
        let length = (12.0 * f64::from(variance) + 1.0).sqrt();
        let whole = ((length - 1.0) / 2.0).floor() as f32;
        let mut part = (2.0 * whole + 1.0) * (whole * (whole + 1.0) - 3.0 * variance);
        part /= 6.0 * (variance - (whole + 1.0) * (whole + 1.0));
        let size = whole + part;
        let all = 1_u32 << WHOLE_BITS;
        let inside = (all as f32 / (size * 2.0 + 1.0)) as u32;
        let radius = size as u32;
        BoxBlur { radius, inside, end: all.saturating_sub((radius * 2 + 1) * inside) / 2 }
    }

    /// One pass over a line of bytes.
    pub(super) fn over(self, line: &[u32]) -> Vec<u32> {
        let last = line.len() as i64 - 1;
        let at = |i: i64| line[i.clamp(0, last) as usize];
        let radius = i64::from(self.radius);
        let pixel = |i: i64| {
            let inside: u32 = (i - radius..=i + radius).map(at).sum();
            let ends = at(i - radius - 1) + at(i + radius + 1);
            (inside * self.inside + ends * self.end + (1 << (WHOLE_BITS - 1))) >> WHOLE_BITS
        };
        (0..=last).map(pixel).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_boxes_have_the_variance_of_the_gaussian() {
        for sigma in [0.5_f64, 1.0, 1.4, 2.0, 7.3, 64.0] {
            let BoxBlur { radius, inside, end } = BoxBlur::of(sigma as f32);
            let weights = (0..=radius + 1).map(|d| (f64::from(d), f64::from(if d > radius { end } else { inside })));
            let variance: f64 = weights.map(|(d, weight)| 2.0 * d * d * weight / f64::from(1 << WHOLE_BITS)).sum();
            assert!((3.0 * variance / sigma.powi(2) - 1.0).abs() < 1e-3, "{sigma}: {variance}");
        }
        assert_eq!(BoxBlur::of(0.0), BoxBlur { radius: 0, inside: 1 << WHOLE_BITS, end: 0 });
    }
}
