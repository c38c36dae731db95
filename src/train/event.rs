//! What the trainer reports, and the commands it takes. It knows no listener: a progress bar, a file and a window get the same events.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::Readings;
use crate::graph::Recomputed;
use crate::method::metric::names;
use crate::method::{AlarmKind, Metric};

/// Something that happened. As JSON it has the field `event` with the kind's name.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// Kernels are being measured, before a training begins.
    Tuning(Tuning),
    /// Training begins or continues.
    Start(Start),
    /// A step is done; reported a few steps later, because the loop does not wait for its numbers.
    Step(Step),
    /// More numbers of a step that has just been reported: some times an epoch, and at its last step.
    Watch(Watch),
    /// The run goes wrong; reported once a kind.
    Alarm(Alarm),
    /// An epoch is done. Epoch 0 is the untrained network.
    Epoch(Epoch),
    /// A checkpoint was written.
    Checkpoint(Saved),
    /// Something that the user should know.
    Warning(Warning),
    /// All epochs are done.
    Done(Done),
    /// The numbers of the training have left their range, which ends it: a result too, where settings are compared.
    Failed(Failed),
}

/// How far the choice of kernels is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tuning {
    /// Kinds of node whose kernel is chosen.
    pub done: usize,
    /// Kinds of node that have a choice.
    pub of: usize,
}

/// What is trained, on what.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Start {
    /// The adapter's name.
    pub adapter: String,
    /// Vulkan, Metal, Dx12 or Gl.
    pub backend: String,
    /// The driver and its version.
    pub driver: String,
    /// Trained values of encoder, projector and predictor.
    pub parameters: usize,
    /// Estimate of the device memory that the run takes.
    pub memory_bytes: u64,
    /// Which blocks activation checkpointing recomputes to need so little.
    pub recomputed: Recomputed,
    /// Training images.
    pub train_images: usize,
    /// Test images.
    pub test_images: usize,
    /// Images a step.
    pub batch_size: usize,
    /// Epochs.
    pub epochs: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Width d of the outputs; their healthy std is about 1/sqrt(d).
    pub dim: usize,
    /// Everything that is measured. Not in `metrics.jsonl`: it follows from the configuration.
    #[serde(skip)]
    pub metrics: Arc<[Metric]>,
}

/// The numbers of one step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Steps done, this one included.
    pub step: u64,
    /// The epoch it belongs to, from 1.
    pub epoch: u64,
    /// Every metric of the step.
    #[serde(flatten)]
    pub readings: Readings,
}

/// More numbers of a step, which cost more to bring back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Watch {
    /// Steps done, this one included.
    pub step: u64,
    /// The epoch it belongs to, from 1.
    pub epoch: u64,
    /// Every metric of a watched step.
    #[serde(flatten)]
    pub readings: Readings,
    /// L2 norm of the gradient of each stage (stem, layer1 and so on, projector, predictor); empty where the step was skipped.
    #[serde(serialize_with = "as_object")]
    pub gradient_norms: Vec<(String, f32)>,
    /// Std over the batch of every channel of z/|z|, view 1. In `metrics.jsonl` with four digits, and only at the end of an epoch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub channel_std: Vec<f32>,
    /// Whether it is the last step of its epoch.
    #[serde(skip)]
    pub ends_epoch: bool,
}

fn as_object<S: Serializer>(pairs: &[(String, f32)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

/// What was seen of a run that goes wrong, and what usually helps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alarm {
    /// Steps done.
    pub step: u64,
    /// The epoch of the step, from 1.
    pub epoch: u64,
    /// What it is.
    pub kind: AlarmKind,
    /// What was seen, in one line.
    pub message: String,
    /// What usually helps and is not already so, in one line.
    pub advice: String,
}

/// The numbers of one epoch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Epoch {
    /// Epochs done, this one included; 0 is the untrained network on the first batch.
    pub epoch: u64,
    /// Every metric of an epoch: means over its steps, numbers of its last, and kNN where it was measured.
    #[serde(flatten)]
    pub readings: Readings,
    /// Seconds it took, kNN included; of an epoch that was interrupted, since it was continued.
    pub seconds: f64,
}

impl Epoch {
    /// Share of the test images that kNN classifies correctly, where it was measured.
    pub fn knn_top1(&self) -> Option<f64> {
        Some(self.readings.get(names::KNN_TOP1)).filter(|top1| !top1.is_nan())
    }
}

/// A checkpoint on disk.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Saved {
    /// The file.
    pub path: PathBuf,
    /// Steps done.
    pub step: u64,
}

/// A remark in one line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Warning {
    /// The line.
    pub message: String,
}

/// The end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Done {
    /// Steps of the whole run.
    pub steps: u64,
    /// Seconds since it was started or last continued.
    pub seconds: f64,
    /// Share of the test images that kNN classifies correctly now.
    pub knn_top1: Option<f64>,
    /// The same before training.
    pub knn_top1_untrained: Option<f64>,
}

/// A training that cannot go on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failed {
    /// Steps done before.
    pub step: u64,
    /// Why, in one line.
    pub message: String,
}

/// What a running trainer can be asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Wait for [`Command::Resume`].
    Pause,
    /// Go on.
    Resume,
    /// Write a checkpoint and end; the run can be continued.
    Stop,
    /// Write a checkpoint and go on.
    CheckpointNow,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::Cadence;

    #[test]
    fn events_are_flat_objects() {
        let numbers = [("loss", f64::NAN), ("output_std", 0.1)];
        let readings = Readings::given(Cadence::Epoch, &numbers);
        let event = Event::Epoch(Epoch { epoch: 0, readings, seconds: 1.5 });
        let text = serde_json::to_string(&event).unwrap_or_default();
        // JSON has no NaN.
        assert_eq!(text, r#"{"event":"epoch","epoch":0,"loss":null,"output_std":0.1,"seconds":1.5}"#);
    }
}
