//! Which pixels and taps of a convolution meet, for the CPU references; and the geometries of the cases.

use crate::graph::Shape;

/// Multiply-adds of a convolution with this output and weight, logical sizes.
pub(super) fn multiply_adds(y: &Shape, w: &[usize]) -> u64 {
    y.row_count() as u64 * w.iter().product::<usize>() as u64
}

/// Which pixels a convolution brings together, for the references.
pub(super) struct Window {
    images: usize,
    size: [usize; 2],
    kernel: [usize; 2],
    pub out: [usize; 2],
    stride: usize,
    padding: usize,
}

impl Window {
    pub fn new(image: &[usize], kernel: [usize; 2], stride: usize, padding: usize) -> Window {
        let size = [image[1], image[2]];
        let out = [0, 1].map(|i| (size[i] + 2 * padding - kernel[i]) / stride + 1);
        Window { images: image[0], size, kernel, out, stride, padding }
    }

    /// Calls `f(input pixel, tap, output pixel)` for every pair inside the image.
    pub fn for_each(&self, mut f: impl FnMut(usize, usize, usize)) {
        let position = |o: usize, k: usize| (o * self.stride + k).checked_sub(self.padding);
        for n in 0..self.images {
            for oy in 0..self.out[0] {
                for ox in 0..self.out[1] {
                    for ky in 0..self.kernel[0] {
                        for kx in 0..self.kernel[1] {
                            let (Some(y), Some(x)) = (position(oy, ky), position(ox, kx)) else {
                                continue;
                            };
                            if y < self.size[0] && x < self.size[1] {
                                let pixel = (n * self.size[0] + y) * self.size[1] + x;
                                let out = (n * self.out[0] + oy) * self.out[1] + ox;
                                f(pixel, ky * self.kernel[1] + kx, out);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A convolution of the cases.
pub(super) struct Geometry {
    pub name: &'static str,
    pub image: [usize; 4],
    pub kernel: usize,
    pub out_channels: usize,
    pub stride: usize,
    pub padding: usize,
}

impl Geometry {
    pub fn output(&self) -> Shape {
        let window = Window::new(&self.image, [self.kernel; 2], self.stride, self.padding);
        Shape::rows([self.image[0], window.out[0], window.out[1], self.out_channels])
    }
}

/// Odd sizes, and every kind the models use.
pub(super) fn geometries() -> Vec<Geometry> {
    let of = |name, image, kernel, out_channels, stride, padding| Geometry {
        name,
        image,
        kernel,
        out_channels,
        stride,
        padding,
    };
    vec![
        of("3x3", [2, 5, 7, 3], 3, 6, 1, 1),
        of("3x3 stride 2", [3, 7, 6, 5], 3, 9, 2, 1),
        // With channels enough for Winograd's tiles.
        of("3x3 many channels", [3, 5, 7, 67], 3, 70, 1, 1),
        of("1x1", [2, 3, 5, 9], 1, 7, 1, 0),
        of("1x1 stride 2", [2, 5, 5, 4], 1, 13, 2, 0),
        of("7x7 stride 2", [1, 11, 9, 3], 7, 5, 2, 3),
        of("3x3 wide image", [1, 3, 35, 4], 3, 4, 1, 1),
        of("2x2 stride 3", [1, 8, 7, 2], 2, 4, 3, 0),
        of("3x3 one pixel", [5, 1, 1, 8], 3, 12, 1, 1),
        of("1x1 one channel", [1, 1, 1, 1], 1, 1, 1, 0),
        of("3x3 7x7 pixels", [1, 7, 7, 17], 3, 21, 1, 1),
        // Large enough for large tiles.
        of("2x2 many channels", [1, 24, 10, 27], 2, 123, 1, 1),
        of("3x3 many channels unpadded", [3, 8, 3, 64], 3, 129, 1, 0),
        of("3x3 stride 2 many channels", [2, 15, 17, 123], 3, 70, 2, 1),
    ]
}
