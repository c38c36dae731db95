//! What can go wrong between here and the graphics driver, each in one line that says the mend.

use crate::error::Classified;

/// An error of the adapter, the driver or a kernel.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    /// No adapter of any backend.
    #[error(
        "no GPU adapter found: install a Vulkan driver (Debian and Ubuntu: `apt-get install mesa-vulkan-drivers libvulkan1` \
         also gives a software one), or check WGPU_BACKEND"
    )]
    NoAdapter,
    /// `--device` or `WGPU_ADAPTER_NAME` named something that is not there.
    #[error("no adapter matches device `{wanted}`; this machine has: {present}")]
    NoSuchAdapter {
        /// What was asked for.
        wanted: String,
        /// The adapters present, with their index.
        present: String,
    },
    /// The adapter cannot run compute shaders, or has too little of something.
    #[error("adapter `{adapter}` cannot be used: {lack}; choose another with --device (see `simsiam devices`)")]
    Lacks {
        /// Name of the adapter.
        adapter: String,
        /// The missing thing and how much of it is needed.
        lack: String,
    },
    /// The driver refused to open the device.
    #[error("adapter `{adapter}` could not be opened: {reason}; update its driver or choose another with --device")]
    Open {
        /// Name of the adapter.
        adapter: String,
        /// The driver's words.
        reason: String,
    },
    /// A shader did not compose, parse or validate: a defect of this program or its driver.
    #[error("kernel `{kernel}` does not compile: {reason}")]
    Kernel {
        /// Shader file and constants.
        kernel: String,
        /// The compiler's words.
        reason: String,
    },
    /// More memory than the adapter gave.
    #[error("out of GPU memory: {what}; use a smaller batch_size, image_size or width")]
    OutOfMemory {
        /// What was being allocated, and how large it is.
        what: String,
    },
    /// The device was lost: driver reset, unplugged, or a kernel ran too long.
    #[error("the GPU was lost while running {during}: {reason}; resume the run from its last checkpoint")]
    Lost {
        /// The part of the step in flight.
        during: String,
        /// The driver's words.
        reason: String,
    },
    /// An error that wgpu reported outside of any scope.
    #[error("the GPU reported an error while running {during}: {reason}")]
    Uncaptured {
        /// The part of the step in flight.
        during: String,
        /// wgpu's words.
        reason: String,
    },
}

impl Classified for GpuError {
    fn is_usage(&self) -> bool {
        matches!(self, Self::NoSuchAdapter { .. })
    }
}
