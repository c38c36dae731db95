//! Plain numbers on the host, for CPU references.

/// Values in row-major order without padding, in f64: references are computed in it, so that a comparison shows the
/// error of the kernel. Words are kept as their integer value.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Dimensions.
    pub dims: Vec<usize>,
    /// Values; as many as the product of the dimensions.
    pub data: Vec<f64>,
}

impl Array {
    /// All zeros.
    pub fn zeros(dims: &[usize]) -> Array {
        Array { dims: dims.to_vec(), data: vec![0.0; dims.iter().product()] }
    }

    /// From f32 values.
    pub fn from_f32(dims: &[usize], values: &[f32]) -> Array {
        assert_eq!(dims.iter().product::<usize>(), values.len());
        Array { dims: dims.to_vec(), data: values.iter().map(|&v| f64::from(v)).collect() }
    }

    /// Values of this array's dimensions.
    pub fn like(&self, data: impl IntoIterator<Item = f64>) -> Array {
        Array { dims: self.dims.clone(), data: data.into_iter().collect() }
    }

    /// Each value changed by itself.
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Array {
        self.like(self.data.iter().map(|&v| f(v)))
    }

    /// Each pair of values of two arrays of one shape.
    pub fn zip(&self, other: &Array, f: impl Fn(f64, f64) -> f64) -> Array {
        self.like(self.data.iter().zip(&other.data).map(|(&a, &b)| f(a, b)))
    }

    /// Rounded to f32.
    pub fn to_f32(&self) -> Vec<f32> {
        self.data.iter().map(|&v| v as f32).collect()
    }

    /// The last dimension.
    pub fn channels(&self) -> usize {
        self.dims.last().copied().unwrap_or(1)
    }

    /// The rows of the last dimension.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f64> {
        self.data.chunks_exact(self.channels().max(1))
    }

    /// |self - other| / |other|, in the Euclidean norm; where `other` is zero, |self|.
    pub fn relative_error(&self, other: &Array) -> f64 {
        assert_eq!(self.dims, other.dims, "comparing arrays of different shapes");
        let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
        let difference = norm(&mut self.data.iter().zip(&other.data).map(|(a, b)| a - b));
        let size = norm(&mut other.data.iter().copied());
        if size > 0.0 { difference / size } else { difference }
    }
}
