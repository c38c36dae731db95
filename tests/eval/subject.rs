//! A small network of random weights, and images.

use std::error::Error;

use simsiam::config::Config;
use simsiam::data::{self, Dataset, Limits, Spec};
use simsiam::gpu::{Gpu, GpuOptions};
use simsiam::graph::Store;
use simsiam::model::Parameters;

use crate::tiny::tiny;

pub type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

pub fn gpu() -> Result<Gpu> {
    Ok(Gpu::open(None, GpuOptions { checked: true })?)
}

pub fn config() -> Result<Config> {
    Ok(tiny(&["model.dim=14"])?)
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
