//! `--device` and `--checked`: which adapter a command computes on, and how carefully.

use simsiam::gpu::{Gpu, GpuError, GpuOptions};

use super::output;

#[derive(clap::Args, Clone)]
pub struct DeviceArg {
    /// The adapter: its number in `simsiam devices` or a part of its name.
    #[arg(id = "device", long = "device", value_name = "INDEX|NAME")]
    pub name: Option<String>,
    /// Look for faults of a kernel or driver: kernels check every access to memory, and memory that was never written holds NaN. The
    /// numbers are the same; slower.
    #[arg(long)]
    checked: bool,
}

impl DeviceArg {
    /// Opens it.
    pub fn open(&self) -> Result<Gpu, GpuError> {
        self.open_named(self.name.as_deref())
    }

    /// Opens another one in the same way.
    pub fn open_named(&self, name: Option<&str>) -> Result<Gpu, GpuError> {
        let gpu = Gpu::open(name, GpuOptions { checked: self.checked })?;
        if self.checked {
            // Not among results, which may be JSON.
            output::error_line(
                "checked: kernels check every access, and memory that was never written holds NaN; slower",
            );
        }
        Ok(gpu)
    }
}
