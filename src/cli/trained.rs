//! The network of a run, to be evaluated: its configuration and weights, the images, the device.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};
use simsiam::config::Config;
use simsiam::data::{Dataset, ImageSet};
use simsiam::eval::{EvalError, FeaturePlan, FeatureSpec, FeatureTable, Output};
use simsiam::format::count;
use simsiam::gpu::Gpu;
use simsiam::graph::tune::{self, Budget, Cache, Work};
use simsiam::graph::{Choices, Store, Target};
use simsiam::model::Parameters;
use simsiam::train::RunFolder;
use simsiam::train::checkpoint::Checkpoint;

use super::counter::Counter;
use super::device::DeviceArg;
use super::settings;
use super::tuning::Measuring;
use super::{note, output, say};

#[derive(clap::Args, Clone)]
pub struct TrainedArgs {
    /// The run's folder; training need not be finished.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// The images, as for `simsiam train --data` [default: the run's].
    #[arg(long, value_name = "SPEC")]
    data: Option<String>,
    /// Use only N training images: the first N, or for a folder N evenly spaced files.
    #[arg(long, value_name = "N")]
    limit_train: Option<String>,
    /// Use only N test images.
    #[arg(long, value_name = "N")]
    limit_test: Option<String>,
    /// Table with the class of each file of a folder: CSV with a column of file names and one of labels.
    #[arg(long, value_name = "FILE")]
    labels: Option<String>,
    /// Load this checkpoint instead of the run's last one.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArg,
}

/// A run that has been opened.
pub struct Trained {
    pub config: Config,
    pub data: Dataset,
    pub gpu: Gpu,
    checkpoint: Checkpoint,
    run: PathBuf,
    quiet: bool,
}

impl TrainedArgs {
    /// Opens everything; `keys` (flag, key, value) go over the run's configuration. Where `quiet`, nothing is said but what is wrong.
    pub fn open(&self, keys: &[(&str, &str, &Option<String>)], quiet: bool) -> Result<Trained> {
        let (mut config, checkpoint) = RunFolder::trained(&self.run, self.checkpoint.as_deref())?;
        if let Some(source) = &self.data {
            config.data.source.clone_from(source);
            // The run's limits are for the run's images.
            (config.data.limit_train, config.data.limit_test) = (0, 0);
            // And so is its table.
            config.data.labels.clear();
        }
        if let Some(labels) = &self.labels {
            config.data.labels.clone_from(labels);
        }
        let own = [
            ("--limit-train", "data.limit_train", &self.limit_train),
            ("--limit-test", "data.limit_test", &self.limit_test),
        ];
        for (flag, key, value) in own.iter().chain(keys) {
            if let Some(value) = value {
                config.assign(flag, key, value)?;
            }
        }
        config.validate()?;
        let trained = Trained {
            data: settings::open(&config)?,
            gpu: self.device.open()?,
            config,
            checkpoint,
            run: self.run.clone(),
            quiet,
        };
        trained.introduce();
        Ok(trained)
    }
}

impl Trained {
    fn introduce(&self) {
        let report = self.gpu.report();
        let data = &self.data;
        let classes = match data.classes.len() {
            0 => String::new(),
            n => format!(", {n} classes"),
        };
        let Checkpoint { step, epoch, .. } = &self.checkpoint;
        let model = &self.config.model;
        if !self.quiet {
            note!("device   {} ({}, driver {})", report.name, report.backend, report.driver);
            note!(
                "run      {}, {} of width {}, after epoch {epoch} (step {step})",
                self.run.display(),
                model.arch,
                model.width
            );
            note!(
                "data     {}: {} training and {} test images{classes}",
                data.name,
                count(data.train.len()),
                count(data.test.len()),
            );
        }
        self.warn(&data.warnings());
    }

    /// Says what the user should know.
    pub fn warn(&self, remarks: &[String]) {
        for remark in remarks {
            match self.quiet {
                true => output::error_line(&format!("warning: {remark}")),
                false => say!("warning: {remark}"),
            }
        }
    }

    /// The network's weights. Fails where the checkpoint has others.
    pub fn weights(&self, parameters: &Parameters) -> Result<Vec<Vec<f32>>> {
        Ok(self.checkpoint.weights(parameters)?)
    }

    /// The same on the device.
    pub fn store(&self, parameters: &Parameters) -> Result<Store> {
        let weights = self.weights(parameters)?;
        let mut store = Store::new(&self.gpu);
        parameters.allocate_frozen(&mut store)?;
        parameters.write(&store, &weights);
        Ok(store)
    }

    /// The fastest kernels for some work: those known from before, and where it is long enough some that are measured now.
    pub fn choose(&self, work: &[Work]) -> Result<Choices> {
        let target = Target::of(&self.gpu);
        let mut bytes = 0;
        for Work { graph, .. } in work {
            bytes += graph.memory(&target)?.total();
        }
        let measuring = Measuring::new();
        let tuned = tune::tune(
            &self.gpu,
            &target,
            work,
            &Budget::training(&self.gpu, bytes),
            &mut Cache::open(&self.gpu),
            &mut |done, of| measuring.at(done, of),
        );
        measuring.end();
        Ok(tuned?.choices)
    }

    /// The features of all images of a set that can be read, scaled to length 1 where `unit`, `batch` images at once; with a bar meanwhile.
    /// Fails where none is left; `part` names the images then.
    pub fn features(
        &self,
        set: &Arc<dyn ImageSet>,
        output: Output,
        unit: bool,
        batch: usize,
        part: &'static str,
    ) -> Result<FeatureTable> {
        let (mut parameters, outputs) = (Parameters::new(), [output]);
        let spec = FeatureSpec { unit, ..FeatureSpec::new(set.size(), batch, &outputs) };
        let mut plan = FeaturePlan::new(&self.config, &mut parameters, &spec)?;
        let mut store = self.store(&parameters)?;
        let batches = plan.batches(&**set) as u64;
        let choices = self.choose(&[Work { graph: plan.graph(), runs: batches }])?;
        plan.choose(&choices);
        let mut features = plan.compile(&mut store)?;
        let mut counter = Counter::new(batches, self.quiet);
        let mut done = 0;
        let table = features.table(set, &mut || {
            done += 1;
            counter.at(done, "batches of images");
            true
        })?;
        counter.end();
        self.warn(&features.remarks());
        let left = table.filter(|table| !table.images.is_empty());
        Ok(left.ok_or_else(|| EvalError::NothingLeft { data: self.data.name.clone(), part })?)
    }

    /// Steps of its training.
    pub fn step(&self) -> u64 {
        self.checkpoint.step
    }

    /// Data and network for a picture.
    pub fn title(&self) -> String {
        let run = self.run.file_name().unwrap_or(self.run.as_os_str());
        let (run, epoch) = (run.to_string_lossy(), self.checkpoint.epoch);
        format!("{}, {run} after epoch {epoch}", self.data.name)
    }

    /// What every result in JSON says of where it comes from.
    pub fn about(&self) -> Value {
        json!({
            "run": self.run.display().to_string(),
            "epoch": self.checkpoint.epoch,
            "step": self.checkpoint.step,
            "data": self.data.name,
            "adapter": self.gpu.report().name,
        })
    }
}
