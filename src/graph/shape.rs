//! Shapes, and how a tensor's numbers lie in memory.

use half::f16;

/// How the numbers lie in memory. Kernels read four channels at a time, so channels are padded to a multiple of four with
/// zeros; every kernel keeps the padding zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Activations and vectors: row-major, the last dimension padded. Images are `[N, H, W, C]`.
    Rows,
    /// Weights: row-major f32, the last two dimensions padded. `[KH, KW, IN, OUT]` or `[IN, OUT]`.
    Weight,
    /// 32-bit words that are not floats (packed bytes, indices), padded to four at the end.
    Words,
}

/// The width of a number in memory. Kernels compute in f32 in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 32-bit floats (or words).
    F32,
    /// 16-bit floats, two a word: activations and their gradients only.
    F16,
}

/// Dimensions, layout and precision of a tensor.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Shape {
    dims: Vec<usize>,
    layout: Layout,
    precision: Precision,
}

const fn padded(n: usize) -> usize {
    n.div_ceil(4) * 4
}

impl Shape {
    /// An activation or vector.
    pub fn rows(dims: impl Into<Vec<usize>>) -> Shape {
        Shape { dims: dims.into(), layout: Layout::Rows, precision: Precision::F32 }
    }

    /// The same in another precision. Panics where anything but an activation would be in f16.
    #[must_use]
    pub fn with(mut self, precision: Precision) -> Shape {
        assert!(precision == Precision::F32 || self.layout == Layout::Rows, "only activations are kept in f16");
        self.precision = precision;
        self
    }

    /// A weight with at least two dimensions.
    pub fn weight(dims: impl Into<Vec<usize>>) -> Shape {
        let dims = dims.into();
        assert!(dims.len() >= 2, "a weight has at least an input and an output dimension");
        Shape { dims, layout: Layout::Weight, precision: Precision::F32 }
    }

    /// `n` words.
    pub fn words(n: usize) -> Shape {
        Shape { dims: vec![n], layout: Layout::Words, precision: Precision::F32 }
    }

    /// So many rows of an activation, alone.
    pub(super) fn of_rows(&self, rows: usize) -> Shape {
        Shape { dims: vec![rows, self.channels()], ..self.clone() }
    }

    /// The dimensions, without padding.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// The layout.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The precision.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Whether it is kept in f16: the flag `F16` of the kernels that read or write it.
    pub fn is_f16(&self) -> bool {
        self.precision == Precision::F16
    }

    /// The last dimension.
    pub fn channels(&self) -> usize {
        self.dims.last().copied().unwrap_or(1)
    }

    /// The last dimension with its padding: the distance between rows.
    pub fn stored_channels(&self) -> usize {
        padded(self.channels())
    }

    /// The product of all dimensions but the last.
    pub fn row_count(&self) -> usize {
        self.dims[..self.dims.len().saturating_sub(1)].iter().product()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Dimensions as they lie in memory.
    pub fn stored_dims(&self) -> Vec<usize> {
        let mut dims = self.dims.clone();
        let rank = dims.len();
        if let Some(last) = dims.last_mut() {
            *last = padded(*last);
        }
        if self.layout == Layout::Weight {
            dims[rank - 2] = padded(dims[rank - 2]);
        }
        dims
    }

    /// Number of vec4s in memory: what kernels count in, whatever the precision.
    pub fn vectors(&self) -> usize {
        self.stored_dims().iter().product::<usize>() / 4
    }

    /// Number of 32-bit words in memory.
    pub fn stored_len(&self) -> usize {
        match self.precision {
            Precision::F32 => self.vectors() * 4,
            Precision::F16 => self.vectors() * 2,
        }
    }

    /// Calls `f(index, stored index)` for every element.
    fn for_each(&self, mut f: impl FnMut(usize, usize)) {
        let rank = self.dims.len();
        let stored = self.stored_dims();
        let (columns, stored_columns) = (self.channels(), stored.last().copied().unwrap_or(4));
        let (rows, stored_rows) = if rank >= 2 { (self.dims[rank - 2], stored[rank - 2]) } else { (1, 1) };
        let blocks = self.len().checked_div(rows * columns).unwrap_or(0);
        for block in 0..blocks {
            for row in 0..rows {
                for column in 0..columns {
                    let index = (block * rows + row) * columns + column;
                    f(index, (block * stored_rows + row) * stored_columns + column);
                }
            }
        }
    }

    /// Values with their padding.
    pub fn pack(&self, values: &[f32]) -> Vec<f32> {
        assert_eq!(values.len(), self.len(), "values of {self:?}");
        let mut stored = vec![0.0; self.vectors() * 4];
        self.for_each(|from, to| stored[to] = values[from]);
        stored
    }

    /// Values without their padding.
    pub fn unpack(&self, stored: &[f32]) -> Vec<f32> {
        let mut values = vec![0.0; self.len()];
        self.for_each(|to, from| values[to] = stored[from]);
        values
    }

    /// Values with their padding as the words that the device keeps, rounded to the nearest f16 where it is one.
    pub fn to_words(&self, values: &[f32]) -> Vec<u32> {
        let stored = self.pack(values);
        let bits = |v: f32| u32::from(f16::from_f32(v).to_bits());
        match self.precision {
            Precision::F32 => stored.into_iter().map(f32::to_bits).collect(),
            Precision::F16 => {
                let pairs = stored.chunks_exact(2);
                pairs.map(|p| bits(p[0]) | bits(p[1]) << 16).collect()
            }
        }
    }

    /// Values with their padding from the words that the device keeps.
    pub fn from_words(&self, words: &[u32]) -> Vec<f32> {
        let value = |bits: u32| f16::from_bits(bits as u16).to_f32();
        match self.precision {
            Precision::F32 => words.iter().map(|&w| f32::from_bits(w)).collect(),
            Precision::F16 => {
                let pairs = words.iter().flat_map(|&w| [value(w), value(w >> 16)]);
                pairs.collect()
            }
        }
    }
}

impl std::fmt::Debug for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.precision {
            Precision::F32 => write!(f, "{:?}", self.dims),
            Precision::F16 => write!(f, "{:?} f16", self.dims),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_pads_and_comes_back() {
        for shape in [
            Shape::rows([2, 3, 5]),
            Shape::rows([7]),
            Shape::weight([3, 3, 5, 6]),
            Shape::weight([4, 8]),
            Shape::rows([1]),
            Shape::rows([2, 3, 5]).with(Precision::F16),
            Shape::rows([1]).with(Precision::F16),
        ] {
            let values: Vec<f32> = (1..=shape.len()).map(|v| v as f32).collect();
            let stored = shape.pack(&values);
            assert_eq!(stored.len() % 4, 0);
            assert_eq!(stored.iter().filter(|&&v| v != 0.0).count(), shape.len());
            assert_eq!(shape.unpack(&stored), values);
            let words = shape.to_words(&values);
            assert_eq!(words.len(), shape.stored_len());
            assert_eq!(shape.from_words(&words), stored);
        }
        assert_eq!(Shape::weight([3, 3, 5, 6]).stored_dims(), [3, 3, 8, 8]);
        // Half the words, and what f16 makes of a third.
        let half = Shape::rows([3, 7]).with(Precision::F16);
        assert_eq!((half.vectors(), half.stored_len()), (6, 12));
        let thirds = half.from_words(&half.to_words(&[1.0 / 3.0; 21]));
        assert_eq!(thirds[0], 0.333_251_95);
    }
}
