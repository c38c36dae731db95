//! PyTorch's layouts, which exist only at the border: files and reference tests.

use crate::graph::Shape;

/// What kind of tensor an entry is: it decides the layout in memory and in PyTorch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Weight of a convolution: `[KH, KW, IN, OUT]` here, `[OUT, IN, KH, KW]` in PyTorch.
    Convolution,
    /// Weight of a linear layer: `[IN, OUT]` here, `[OUT, IN]` in PyTorch.
    Linear,
    /// Bias, scale, shift or running statistic `[C]`, or rows of them.
    Vector,
}

impl Format {
    /// The shape in memory of a tensor with these dimensions.
    pub fn shape(self, dims: &[usize]) -> Shape {
        match self {
            Format::Convolution | Format::Linear => Shape::weight(dims),
            Format::Vector => Shape::rows(dims),
        }
    }

    /// Dimensions in PyTorch's order, from those here.
    pub fn pytorch_dims(self, dims: &[usize]) -> Vec<usize> {
        match (self, dims) {
            (Format::Convolution, &[height, width, input, output]) => {
                vec![output, input, height, width]
            }
            (Format::Linear, &[input, output]) => vec![output, input],
            _ => dims.to_vec(),
        }
    }

    /// Values in PyTorch's layout, from those here; neither is padded. `dims` are those here.
    pub fn to_pytorch(self, dims: &[usize], values: &[f32]) -> Vec<f32> {
        self.reorder(dims, values, |here, there| (there, here))
    }

    /// Values in the layout here, from PyTorch's; neither is padded. `dims` are those here.
    pub fn from_pytorch(self, dims: &[usize], values: &[f32]) -> Vec<f32> {
        self.reorder(dims, values, |here, there| (here, there))
    }

    /// Copies values from one order to the other; `direction` turns (index here, index in PyTorch) into (to, from).
    fn reorder(self, dims: &[usize], values: &[f32], direction: impl Fn(usize, usize) -> (usize, usize)) -> Vec<f32> {
        // Both kinds of weight are [pixels, input, output] here and [output, input, pixels] there.
        let (input, output) = match (self, dims) {
            (Format::Convolution | Format::Linear, &[.., input, output]) => (input, output),
            _ => return values.to_vec(),
        };
        let pixels = values.len().checked_div(input * output).unwrap_or(0);
        let mut result = vec![0.0; values.len()];
        for pixel in 0..pixels {
            for i in 0..input {
                for o in 0..output {
                    let (to, from) = direction((pixel * input + i) * output + o, (o * input + i) * pixels + pixel);
                    result[to] = values[from];
                }
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_convolution_weight_is_transposed() {
        // One pixel row of two, three inputs, two outputs: value = 100 pixel + 10 input + output.
        let dims = [1, 2, 3, 2];
        let mut here = Vec::new();
        for pixel in 0..2 {
            for input in 0..3 {
                here.extend((0..2).map(|output| (100 * pixel + 10 * input + output) as f32));
            }
        }
        let there = Format::Convolution.to_pytorch(&dims, &here);
        assert_eq!(there, [0., 100., 10., 110., 20., 120., 1., 101., 11., 111., 21., 121.]);
        assert_eq!(Format::Convolution.pytorch_dims(&dims), [2, 3, 1, 2]);
        assert_eq!(Format::Convolution.from_pytorch(&dims, &there), here);
    }

    #[test]
    fn a_linear_weight_is_transposed_and_a_vector_is_not() {
        let there = Format::Linear.to_pytorch(&[2, 3], &[1., 2., 3., 4., 5., 6.]);
        assert_eq!(there, [1., 4., 2., 5., 3., 6.]);
        assert_eq!(Format::Linear.pytorch_dims(&[2, 3]), [3, 2]);
        assert_eq!(Format::Linear.from_pytorch(&[2, 3], &there), [1., 2., 3., 4., 5., 6.]);
        assert_eq!(Format::Vector.to_pytorch(&[3], &[1., 2., 3.]), [1., 2., 3.]);
    }
}
