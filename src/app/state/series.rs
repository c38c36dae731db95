//! A curve of any length, and what of it a screen can show: the extremes of every column of pixels, found in time that does not depend
//! on how many points there are.

use std::ops::Range;

/// Points of the smallest block whose extremes are kept.
const LEAF: usize = 16;

/// Extremes and sum of a block of points.
#[derive(Debug, Clone, Copy)]
struct Block {
    min: f32,
    max: f32,
    sum: f64,
}

impl Block {
    fn of(values: &[f32]) -> Block {
        let mut block = Block { min: f32::INFINITY, max: f32::NEG_INFINITY, sum: 0.0 };
        for &value in values {
            block.min = block.min.min(value);
            block.max = block.max.max(value);
            block.sum += f64::from(value);
        }
        block
    }

    fn and(self, other: Block) -> Block {
        Block { min: self.min.min(other.min), max: self.max.max(other.max), sum: self.sum + other.sum }
    }
}

/// Points in the order of their x, which never falls.
#[derive(Debug, Clone, Default)]
pub struct Series {
    x: Vec<f64>,
    y: Vec<f32>,
    /// Level k holds whole blocks of `LEAF << k` points.
    levels: Vec<Vec<Block>>,
}

/// What one column of pixels shows.
struct Bucket {
    x: f64,
    block: Block,
    points: usize,
}

impl Series {
    /// Adds a point. One that is no number, or lies before the last, is left out.
    pub fn push(&mut self, x: f64, y: f64) {
        let last = self.x.last().copied().unwrap_or(f64::NEG_INFINITY);
        if !y.is_finite() || !x.is_finite() || x < last {
            return;
        }
        self.x.push(x);
        self.y.push(y as f32);
        if self.y.len().is_multiple_of(LEAF) {
            let leaf = Block::of(&self.y[self.y.len() - LEAF..]);
            self.grow(0, leaf);
        }
    }

    fn grow(&mut self, level: usize, block: Block) {
        if self.levels.len() == level {
            self.levels.push(Vec::new());
        }
        let blocks = &mut self.levels[level];
        blocks.push(block);
        if blocks.len().is_multiple_of(2) {
            let pair = blocks[blocks.len() - 2].and(block);
            self.grow(level + 1, pair);
        }
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.x.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.x.is_empty()
    }

    /// The newest point.
    pub fn last(&self) -> Option<[f64; 2]> {
        Some([*self.x.last()?, f64::from(*self.y.last()?)])
    }

    /// First and last x.
    pub fn extent(&self) -> Option<[f64; 2]> {
        Some([*self.x.first()?, *self.x.last()?])
    }

    /// The value at the last point that is not right of `x`.
    pub fn at(&self, x: f64) -> Option<[f64; 2]> {
        let i = self.x.partition_point(|&at| at <= x).checked_sub(1)?;
        Some([self.x[i], f64::from(self.y[i])])
    }

    /// The value at `x` on the straight line between the points beside it; that of the first or last point beyond them.
    pub fn between(&self, x: f64) -> Option<f64> {
        let right = self.x.partition_point(|&at| at <= x);
        let value = |i: usize| f64::from(self.y[i]);
        Some(match right {
            _ if self.x.is_empty() => return None,
            0 => value(0),
            right if right == self.x.len() => value(right - 1),
            right => {
                let (from, to) = (self.x[right - 1], self.x[right]);
                value(right - 1) + (value(right) - value(right - 1)) * (x - from) / (to - from)
            }
        })
    }

    /// Where values that never fall reach `y`, on the straight lines between points.
    pub fn reaches(&self, y: f64) -> Option<f64> {
        let right = self.y.partition_point(|&value| f64::from(value) < y);
        Some(match right {
            _ if self.x.is_empty() => return None,
            0 => self.x[0],
            right if right == self.x.len() => self.x[right - 1],
            right => {
                let (from, to) = (f64::from(self.y[right - 1]), f64::from(self.y[right]));
                self.x[right - 1]
                    + (self.x[right] - self.x[right - 1]) * (y - from) / (to - from).max(f64::MIN_POSITIVE)
            }
        })
    }

    /// The mean of the points from the first of `range` on and before its end.
    pub fn mean(&self, range: [f64; 2]) -> Option<f64> {
        let [start, end] = range.map(|end| self.x.partition_point(|&x| x < end));
        (start < end).then(|| self.block(start..end).sum / (end - start) as f64)
    }

    /// Every point.
    pub fn points(&self) -> impl Iterator<Item = [f64; 2]> {
        self.x.iter().zip(&self.y).map(|(&x, &y)| [x, f64::from(y)])
    }

    /// The points within `range` and one beyond each end, so that lines go to the border.
    fn within(&self, range: [f64; 2]) -> Range<usize> {
        let start = self.x.partition_point(|&x| x < range[0]).saturating_sub(1);
        let end = self.x.partition_point(|&x| x <= range[1]) + 1;
        start..end.min(self.x.len()).max(start)
    }

    /// The line through the points within `range`, as a screen of `pixels` columns can show it: at most a few points a column, the
    /// extremes of each among them.
    pub fn outline(&self, range: [f64; 2], pixels: usize) -> Vec<[f64; 2]> {
        let within = self.within(range);
        if within.len() <= 4 * pixels.max(1) {
            return within.map(|i| [self.x[i], f64::from(self.y[i])]).collect();
        }
        let mut points: Vec<[f64; 2]> = Vec::with_capacity(4 * pixels);
        for Bucket { x, block, .. } in self.buckets(within, pixels) {
            let [low, high] = [f64::from(block.min), f64::from(block.max)];
            // The nearer end first: no line across the column that the data does not have.
            let before = points.last().map_or(low, |point| point[1]);
            match (before - low).abs() <= (before - high).abs() {
                true => points.extend([[x, low], [x, high]]),
                false => points.extend([[x, high], [x, low]]),
            }
        }
        points
    }

    /// The points within `range` smoothed by an exponential mean over about `window` of them.
    pub fn smooth(&self, range: [f64; 2], pixels: usize, window: f64) -> Vec<[f64; 2]> {
        let within = self.within(range);
        let mut mean = None;
        self.buckets(within, pixels)
            .map(|Bucket { x, block, points }| {
                let here = block.sum / points.max(1) as f64;
                let before = mean.unwrap_or(here);
                // So many points forget the mean as one after the other would.
                let kept = (-(points as f64) / window.max(1e-9)).exp();
                let now = here + (before - here) * kept;
                mean = Some(now);
                [x, now]
            })
            .collect()
    }

    /// Cuts `within` into between one and two blocks a column, or into points where they are fewer.
    fn buckets(&self, within: Range<usize>, pixels: usize) -> impl Iterator<Item = Bucket> {
        let most = within.len() / pixels.max(1);
        let size = match most {
            0 | 1 => 1,
            // A power of two, so that blocks of a level fill it.
            _ => 1 << most.ilog2(),
        };
        let mut at = within.start;
        std::iter::from_fn(move || {
            if at >= within.end {
                return None;
            }
            let end = ((at / size + 1) * size).min(within.end);
            let bucket = Bucket { x: self.x[at + (end - at) / 2], block: self.block(at..end), points: end - at };
            at = end;
            Some(bucket)
        })
    }

    fn block(&self, points: Range<usize>) -> Block {
        let len = points.len();
        if len >= LEAF && len.is_power_of_two() && points.start.is_multiple_of(len) {
            let level = (len / LEAF).ilog2() as usize;
            let kept = self.levels.get(level);
            if let Some(block) = kept.and_then(|blocks| blocks.get(points.start / len)) {
                return *block;
            }
        }
        if len < 2 * LEAF {
            return Block::of(&self.y[points]);
        }
        // A border in the middle of a block: its whole halves are kept.
        let half = points.start + (len / 2).next_power_of_two().min(len - 1);
        let half = half / LEAF * LEAF;
        match half > points.start {
            true => self.block(points.start..half).and(self.block(half..points.end)),
            false => Block::of(&self.y[points]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(count: usize) -> Series {
        let mut series = Series::default();
        for i in 0..count {
            // Both in the second half of their blocks.
            let spike = match i {
                66_680 => -9.0,
                i if i == count / 3 => 9.0,
                _ => 0.0,
            };
            series.push(i as f64, (i as f64 / 50.0).sin() + spike);
        }
        series
    }

    #[test]
    fn few_points_are_drawn_as_they_are() {
        let series = series(100);
        let points = series.outline([0.0, 99.0], 50);
        assert_eq!(points.len(), 100);
        let part = series.outline([10.5, 19.5], 50);
        assert_eq!((part[0][0], part[part.len() - 1][0]), (10.0, 20.0));
        assert!(Series::default().outline([0.0, 1.0], 10).is_empty());
    }

    #[test]
    fn extremes_survive_in_any_range() {
        let count = 100_003;
        let series = series(count);
        for range in [[0.0, count as f64], [33.0, 70_001.0], [33_000.0, 34_000.0], [29_999.0, 99_999.5]] {
            let points = series.outline(range, 200);
            assert!((200..=900).contains(&points.len()), "{range:?}: {}", points.len());
            let expected = |fold: fn(f64, f64) -> f64, start: f64| {
                series.within(range).fold(start, |most, i| fold(most, f64::from(series.y[i])))
            };
            let most = points.iter().fold(f64::MIN, |most, p| most.max(p[1]));
            let least = points.iter().fold(f64::MAX, |least, p| least.min(p[1]));
            assert_eq!(most, expected(f64::max, f64::MIN), "{range:?}");
            assert_eq!(least, expected(f64::min, f64::MAX), "{range:?}");
            assert!(points.windows(2).all(|pair| pair[0][0] <= pair[1][0]));
        }
    }

    #[test]
    fn smoothing_is_an_exponential_mean_at_any_zoom() {
        let mut series = Series::default();
        (0..50_000).for_each(|i| series.push(f64::from(i), f64::from(i % 2)));
        let smooth = series.smooth([0.0, 50_000.0], 300, 500.0);
        assert!(smooth.iter().skip(10).all(|p| (p[1] - 0.5).abs() < 0.01));
        // Point by point it is the textbook's.
        let few = series.smooth([0.0, 40.0], 300, 10.0);
        let kept = (-0.1_f64).exp();
        let mut mean = 0.0;
        for (i, point) in few.iter().enumerate() {
            let here = (i % 2) as f64;
            mean = if i == 0 { here } else { here + (mean - here) * kept };
            assert!((point[1] - mean).abs() < 1e-9);
        }
    }

    #[test]
    fn means_and_the_places_between_points() {
        let count = 10_000;
        let series = series(count);
        for [from, to] in [[0.0, 10_000.0], [17.0, 18.0], [33.0, 7001.0], [9990.5, 1e9]] {
            let points: Vec<f64> = series.points().filter(|p| p[0] >= from && p[0] < to).map(|p| p[1]).collect();
            let expected = points.iter().sum::<f64>() / points.len() as f64;
            assert!((series.mean([from, to]).expect("points") - expected).abs() < 1e-6, "{from} to {to}");
        }
        assert_eq!(series.mean([17.2, 17.9]), None);
        let mut clock = Series::default();
        [[1.0, 2.0], [2.0, 4.0], [3.0, 4.0], [4.0, 8.0]].into_iter().for_each(|[x, y]| clock.push(x, y));
        for (x, y) in [(1.5, 3.0), (3.25, 5.0), (4.0, 8.0)] {
            assert_eq!((clock.between(x), clock.reaches(y)), (Some(y), Some(x)));
        }
        assert_eq!((clock.between(0.0), clock.between(9.0)), (Some(2.0), Some(8.0)));
        assert_eq!((clock.reaches(0.0), clock.reaches(9.0)), (Some(1.0), Some(4.0)));
        assert_eq!((Series::default().between(1.0), Series::default().reaches(1.0)), (None, None));
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let mut series = Series::default();
        series.push(1.0, f64::NAN);
        series.push(2.0, 3.0);
        series.push(1.0, 4.0);
        assert_eq!((series.len(), series.last()), (1, Some([2.0, 3.0])));
        assert_eq!((series.at(1.0), series.at(7.0)), (None, Some([2.0, 3.0])));
    }
}
