//! What `simsiam train` says of a training before it begins and after its end.

use std::path::Path;

use simsiam::config::{Config, RunConfig};
use simsiam::data::Dataset;
use simsiam::format::{count, duration};
use simsiam::graph::Recomputed;
use simsiam::method::{self, Advice};
use simsiam::train::{Alarm, Done, LearningRates, Start};

use super::devices::size;
use super::{note, say};

/// A run gets more epochs after `step` steps: how its learning rate goes on.
pub fn longer(config: &Config, had: usize, start: &Start, step: u64) {
    let epochs = start.epochs.max(1);
    let rates = LearningRates::new(&config.optim, (start.steps / epochs) as usize);
    let base = config.optim.lr * config.optim.batch_size as f64 / 256.0;
    let part = 100.0 * rates.at(step)[0] / if base > 0.0 { base } else { 1.0 };
    say!(
        "longer   {epochs} epochs instead of {had}: the learning rate goes on along the schedule of all {epochs}, at {part:.1} % of the full one"
    );
}

/// What will be trained, on what, and where its files go.
pub fn introduce(
    start: &Start,
    config: &Config,
    settings: &str,
    run: &Path,
    data: &Dataset,
    compiled: Option<(usize, u64)>,
) {
    let Config { data: images, model, optim, run: RunConfig { seed, .. }, .. } = config;
    let classes = match (data.bank().labels(), data.classes.len()) {
        (None, _) => "no labels".to_owned(),
        (Some(_), n) => format!("{n} classes, used by kNN only"),
    };
    let pixels = match data.train.size() {
        Some((width, height)) => format!("{width}x{height} pixels"),
        None => "any size".to_owned(),
    };
    note!(
        "data     {}: {} training and {} test images of {pixels}, {classes}",
        data.name,
        start.train_images,
        start.test_images,
    );
    note!(
        "model    {} of width {} on {} pixels, d {}: {} parameters; settings: {}",
        model.arch,
        model.width,
        images.image_size,
        model.dim,
        count(start.parameters),
        settings
    );
    note!(
        "training {} epochs, batch {}, {} steps, seed {}; about {} of device memory",
        start.epochs,
        optim.batch_size,
        start.steps,
        seed,
        size(start.memory_bytes)
    );
    if let Some(line) = recomputation(&start.recomputed) {
        note!("         {line}");
    }
    if let Some((kernels, bytes)) = compiled {
        let bytes = size(bytes & !0xf_ffff);
        note!(
            "         its driver is software and keeps {kernels} compiled kernels in this process's memory too: about {bytes}"
        );
    }
    note!("run      {}", run.display());
}

/// Which blocks activation checkpointing recomputes, with what that costs and saves; `None` where none is.
pub fn recomputation(recomputed: &Recomputed) -> Option<String> {
    (!recomputed.blocks.is_empty()).then(|| {
        format!(
            "activation checkpointing of {} of {} blocks: {:.0} % more work, {} instead of {}",
            recomputed.blocks.len(),
            recomputed.of_blocks,
            100.0 * recomputed.work,
            size(recomputed.after),
            size(recomputed.before)
        )
    })
}

/// What the training came to. After an alarm that comes first, and no gain is computed: it is not what the training was for.
pub fn result(done: &Done, began_at: u64, start: &Start, shared: usize, alarm: Option<&Alarm>) {
    // The clock knows the part since the run was last continued.
    let took = match began_at {
        0 => format!("done in {}", duration(done.seconds)),
        step => format!("done, from step {step} on in {}", duration(done.seconds)),
    };
    match (done.knn_top1_untrained, done.knn_top1) {
        (before, after) if alarm.is_some() => {
            if let Some(alarm) = alarm {
                say!("{} at step {} of {}: {}", capital(alarm.kind.happened()), alarm.step, start.steps, alarm.message);
            }
            match before.zip(after) {
                Some((before, after)) => say!(
                    "         {took}: kNN {:.1} % before training, {:.1} % at the end",
                    100.0 * before,
                    100.0 * after
                ),
                None => say!("         {took}"),
            }
        }
        (Some(before), Some(after)) => say!(
            "{took}: kNN {:.1} % before training, {:.1} % after ({:+.1} points)",
            100.0 * before,
            100.0 * after,
            100.0 * (after - before)
        ),
        _ => say!("{took}"),
    }
    if shared > 0 && done.knn_top1.is_some() {
        say!("         {shared} of {} test images are training images too", start.test_images);
    }
}

/// The next step after an alarm: the same run with the setting that usually helps, where it is one.
pub fn advise(alarm: &Alarm, folder: &Path) {
    match Advice::setting(&alarm.advice) {
        Some((key, value)) => {
            let config = folder.join("config.toml");
            say!("next     fix it:             simsiam train --config {} --set {key}={value}", config.display());
            let rest = alarm.advice.split_once(';').map_or("", |(_, rest)| rest.trim());
            if !rest.is_empty() {
                say!("         what else helps:    {rest}");
            }
        }
        None => say!("next     what usually helps: {}", alarm.advice),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Where its results are, and what to do next.
pub fn next(config: &Config, start: &Start, folder: &Path, alarm: Option<&Alarm>) {
    let path = folder.display();
    note!(
        "the run is in {path}: config.toml, views.png, metrics.jsonl, checkpoints/last.safetensors (PyTorch's names)"
    );
    let plain = Config::preset("demo").is_ok_and(|demo| demo.resolved() == config.resolved());
    let again = match plain {
        true => "simsiam train".to_owned(),
        false => format!("simsiam train --config {}", folder.join("config.toml").display()),
    };
    if let Some(alarm) = alarm {
        // Neither more of the same nor a worse one is a next step from here.
        advise(alarm, folder);
        return;
    }
    note!("next     longer:             simsiam train --resume {path} --epochs {}", 2 * start.epochs);
    if let Some(assignment) = method::of(config).health(config).collapses_with {
        note!("         to see it collapse: {again} --set {assignment}");
    }
    if config.data.source == "demo" {
        note!("         on your images:     simsiam train --data FOLDER");
    }
}
