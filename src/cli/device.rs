//! `--device`: which adapter a command computes on.

use simsiam::gpu::{Gpu, GpuError, Options};

#[derive(clap::Args, Clone)]
pub struct DeviceArg {
    /// The adapter: its number in `simsiam devices` or a part of its name.
    #[arg(id = "device", long = "device", value_name = "INDEX|NAME")]
    pub name: Option<String>,
}

impl DeviceArg {
    /// Opens it, without bounds checks in its kernels.
    pub fn open(&self) -> Result<Gpu, GpuError> {
        Gpu::open(self.name.as_deref(), Options { checked: false })
    }
}
