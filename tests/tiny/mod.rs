//! A configuration that trains in well under a second.

use simsiam::config::{Config, ConfigError};

/// Two epochs of eight steps of a network with few channels on the first images of the demo, with `settings` changed.
pub fn tiny(settings: &[&str]) -> Result<Config, ConfigError> {
    let mut config = Config::preset("demo")?;
    let all = [
        "data.limit_train=133",
        "data.limit_test=37",
        "data.image_size=12",
        "model.blocks=[1, 1]",
        "model.width=4",
        "model.projector_hidden=16",
        "model.dim=16",
        "model.predictor_dim=8",
        "optim.epochs=2",
        "optim.batch_size=16",
        "run.knn_k=10",
    ];
    for assignment in all.iter().chain(settings) {
        config.set(assignment)?;
    }
    Ok(config)
}
