//! Times a plan by repeating it, on any adapter: no timestamps are needed.

use std::time::Instant;

use super::{GpuError, Plan};

impl Plan {
    /// Seconds that `times` replays take in one submit, the host's wait included and its recording not. What the driver refuses is
    /// an error here and is forgotten by the device: one may go on without this plan.
    pub fn seconds(&self, times: usize) -> Result<f64, GpuError> {
        let gpu = &self.gpu;
        gpu.wait()?;
        if let (Some(first), Some(last)) = (self.recorded.first(), self.recorded.last()) {
            gpu.running(&first.label, &last.label);
        }
        let scopes = gpu.catch();
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for recorded in std::iter::repeat_n(&self.recorded, times).flatten() {
            recorded.encode(&mut pass, true);
        }
        drop(pass);
        let commands = encoder.finish();
        let began = Instant::now();
        gpu.queue().submit([commands]);
        let waited = gpu.wait();
        let seconds = began.elapsed().as_secs_f64();
        match scopes.caught() {
            Some(error) => Err(gpu.fault(&error)),
            None => waited.map(|()| seconds),
        }
    }
}
