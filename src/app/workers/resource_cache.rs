//! What several of the window's threads need and is dear to open: the data set, and a device for previews. Opened once, shared, and
//! opened again after an error.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::{Config, DataConfig};
use crate::data::{self, DataError, Dataset, Limits, Spec};
use crate::gpu::{Gpu, GpuError, Options};

/// The last thing that was opened, and what it was opened for.
type Place<K, T> = Arc<Mutex<Option<(K, T)>>>;

/// Opened things; cloning shares them.
#[derive(Clone, Default)]
pub(in crate::app) struct ResourceCache {
    data: Place<DataConfig, Arc<Dataset>>,
    gpu: Place<Option<String>, Gpu>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ResourceCache {
    /// The data of a configuration.
    pub fn dataset(&self, config: &Config) -> Result<Arc<Dataset>, DataError> {
        let wanted = &config.data;
        let mut resources = locked(&self.data);
        if let Some((known, dataset)) = &*resources
            && known.source == wanted.source
            && Limits::from(known) == Limits::from(wanted)
        {
            return Ok(dataset.clone());
        }
        // The old one goes first: both may be large.
        *resources = None;
        let spec: Spec = wanted.source.parse()?;
        let dataset = Arc::new(data::open(&spec, Limits::from(wanted))?);
        *resources = Some((wanted.clone(), dataset.clone()));
        Ok(dataset)
    }

    /// A device for what the window shows, other than the training's.
    pub fn gpu(&self, device: Option<&str>) -> Result<Gpu, GpuError> {
        let mut resources = locked(&self.gpu);
        if let Some((known, gpu)) = &*resources
            && known.as_deref() == device
            && gpu.check().is_ok()
        {
            return Ok(gpu.clone());
        }
        *resources = None;
        let gpu = Gpu::open(device, Options { checked: false })?;
        *resources = Some((device.map(str::to_owned), gpu.clone()));
        Ok(gpu)
    }
}
