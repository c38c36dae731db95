//! ResNet ("Deep Residual Learning", He et al. 2015) in torchvision's arrangement and with its names.

use super::{Builder, Norm};
use crate::config::{ModelConfig, Stem};
use crate::graph::{GraphError, Tensor};
use crate::ops;

/// The backbone: images `[N, S, S, 3]` → features `[N, F]`, F = [`ModelConfig::feature_width`].
///
/// torchvision's `ResNet` up to and with `avgpool`; stage s has `width << s` channels (times 4 behind bottleneck blocks),
/// and each but the first starts with stride 2. The last batch norm's scale in every block starts at zero
/// (`zero_init_residual=True`, as the authors'), so that a block starts as the identity.
pub fn features(builder: &mut Builder, images: Tensor, config: &ModelConfig) -> Result<Tensor, GraphError> {
    let mut x = builder.block("stem", |builder| stem(builder, images, config))?;
    let expansion = config.arch.expansion();
    for (stage, &blocks) in config.blocks().iter().enumerate() {
        x = builder.within(&format!("layer{}", stage + 1), |builder| {
            for block in 0..blocks {
                let stride = if block == 0 && stage > 0 { 2 } else { 1 };
                x = builder.within(&block.to_string(), |builder| {
                    builder.block("", |builder| residual_block(builder, x, config.width << stage, stride, expansion))
                })?;
            }
            Ok::<_, GraphError>(x)
        })?;
    }
    builder.add_one("avgpool", ops::GlobalAvgPool, &[x])
}

/// `conv1`, `bn1` and, for large images, `maxpool`.
fn stem(builder: &mut Builder, images: Tensor, config: &ModelConfig) -> Result<Tensor, GraphError> {
    let (kernel, stride) = match config.stem {
        Stem::Cifar => (3, 1),
        Stem::Imagenet => (7, 2),
    };
    let x = builder.convolution("conv1", images, config.width, kernel, stride)?;
    let x = builder.batch_norm("bn1", x, Norm::RELU)?;
    match config.stem {
        Stem::Cifar => Ok(x),
        Stem::Imagenet => {
            let pool = ops::MaxPool { kernel: 3, stride: 2, padding: 1 };
            builder.add_one("maxpool", pool, &[x])
        }
    }
}

/// relu(branch(x) + shortcut(x)). The branch is two 3x3 convolutions (expansion 1), or 1x1, 3x3 and 1x1 with four times
/// `width` channels behind (expansion 4, the stride on the 3x3 one).
fn residual_block(
    builder: &mut Builder,
    x: Tensor,
    width: usize,
    stride: usize,
    expansion: usize,
) -> Result<Tensor, GraphError> {
    let output = width * expansion;
    let y = if expansion == 1 {
        let y = builder.convolution("conv1", x, width, 3, stride)?;
        let y = builder.batch_norm("bn1", y, Norm::RELU)?;
        builder.convolution("conv2", y, output, 3, 1)?
    } else {
        let y = builder.convolution("conv1", x, width, 1, 1)?;
        let y = builder.batch_norm("bn1", y, Norm::RELU)?;
        let y = builder.convolution("conv2", y, width, 3, stride)?;
        let y = builder.batch_norm("bn2", y, Norm::RELU)?;
        builder.convolution("conv3", y, output, 1, 1)?
    };
    let shortcut = if stride != 1 || builder.graph.shape(x).channels() != output {
        builder.within("downsample", |builder| {
            let shortcut = builder.convolution("0", x, output, 1, stride)?;
            builder.batch_norm("1", shortcut, Norm::PLAIN)
        })?
    } else {
        x
    };
    let last = Norm { residual: Some(shortcut), scale: 0.0, ..Norm::RELU };
    builder.batch_norm(if expansion == 1 { "bn2" } else { "bn3" }, y, last)
}
