//! A small network of random weights, and images.

use std::error::Error;

use simsiam::config::Config;
use simsiam::data::{self, Dataset, Limits, Spec};
use simsiam::gpu::{Gpu, Options};
use simsiam::graph::Store;
use simsiam::model::Parameters;

pub type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

pub fn gpu() -> Result<Gpu> {
    Ok(Gpu::open(None, Options { checked: true })?)
}

pub fn config() -> Result<Config> {
    let mut config = Config::preset("demo")?;
    for assignment in [
        "data.limit_train=133",
        "data.limit_test=37",
        "data.image_size=12",
        "model.blocks=[1, 1]",
        "model.width=4",
        "model.projector_hidden=16",
        "model.dim=14",
        "model.predictor_dim=8",
        "optim.batch_size=16",
        "run.knn_k=10",
    ] {
        config.set(assignment)?;
    }
    Ok(config)
}

pub fn dataset(config: &Config) -> Result<Dataset> {
    let spec: Spec = config.data.source.parse()?;
    Ok(data::open(&spec, Limits::from(&config.data))?)
}

/// Random weights: what is evaluated need not be good.
pub fn network(gpu: &Gpu, parameters: &Parameters) -> Result<Store> {
    let mut store = Store::new(gpu);
    parameters.allocate_frozen(&mut store)?;
    parameters.write(&store, &parameters.initialize(3));
    Ok(store)
}
