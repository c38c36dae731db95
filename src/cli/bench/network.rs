//! The network that is measured: the paper's CIFAR network with another shape.

use anyhow::Result;
use simsiam::config::Config;

use crate::cli::UsageError;

#[derive(clap::Args)]
pub struct Network {
    /// resnet18, resnet34, resnet50, resnet101 or resnet_tiny.
    #[arg(long, value_name = "NAME", default_value = "resnet18")]
    pub arch: String,
    /// Channels of the first stage.
    #[arg(long, value_name = "N", default_value = "64")]
    pub width: String,
    /// Side of a view in pixels.
    #[arg(long, value_name = "N", default_value = "32")]
    pub image_size: String,
    /// Images per step, two views each.
    #[arg(long, value_name = "N", default_value = "64")]
    pub batch_size: String,
    /// Width of the output z, of the projector's hidden layers, and four times that of the predictor.
    #[arg(long, value_name = "N", default_value = "2048")]
    pub dim: String,
    /// f32, or f16 for activations and their gradients.
    #[arg(long, value_name = "P", default_value = "f32")]
    pub precision: String,
}

impl Network {
    /// ResNet with the CIFAR stem, 3-layer projector, predictor.
    pub fn config(&self) -> Result<Config> {
        let mut config = Config::default();
        for (flag, key, value) in [
            ("--arch", "model.arch", self.arch.as_str()),
            ("--width", "model.width", &self.width),
            ("--image-size", "data.image_size", &self.image_size),
            ("--batch-size", "optim.batch_size", &self.batch_size),
            ("--dim", "model.dim", &self.dim),
            ("--dim", "model.projector_hidden", &self.dim),
            ("--precision", "run.precision", &self.precision),
        ] {
            config.assign(flag, key, value)?;
        }
        config.set("model.stem=cifar")?;
        config.set("model.projector_layers=3")?;
        if config.model.dim < 4 {
            return Err(UsageError(format!("--dim {}: expected at least 4", self.dim)).into());
        }
        config.validate()?;
        Ok(config)
    }
}
