//! Builds and trains a small network on data of one's own, through the library.
//!
//!     cargo run --release --example train_your_own_data
//!
//! The images here are made in memory: gratings of eight directions with random phase, width and noise. What is learnt
//! without labels is checked by kNN with labels. Put your own pixels in `Images::new` and leave the rest.

use std::sync::{Arc, mpsc};

use simsiam::config::Config;
use simsiam::data::{Dataset, Images};
use simsiam::gpu::{Gpu, GpuOptions};
use simsiam::random::{Draw, Purpose};
use simsiam::train::{Event, Outcome, TrainPlan, Trainer};

const SIZE: u32 = 24;
const DIRECTIONS: u32 = 8;

/// `count` gray images of `SIZE` x `SIZE` pixels, one byte a pixel, and the direction of each as its label.
fn gratings(count: u32, first: u32) -> Result<Images, Box<dyn std::error::Error>> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for image in first..first + count {
        let mut draw = Draw::new(1, Purpose::Benchmark, 0, image, 0);
        let label = draw.below(DIRECTIONS);
        let angle = f64::from(label) * std::f64::consts::PI / f64::from(DIRECTIONS) + draw.uniform(-0.1, 0.1);
        let (phase, period) = (draw.uniform(0.0, std::f64::consts::TAU), draw.uniform(5.0, 8.0));
        for y in 0..SIZE {
            for x in 0..SIZE {
                let along = f64::from(x) * angle.cos() + f64::from(y) * angle.sin();
                let wave = (along * std::f64::consts::TAU / period + phase).sin();
                pixels.push((127.5 + 60.0 * wave + 60.0 * draw.normal()).clamp(0.0, 255.0) as u8);
            }
        }
        labels.push(label);
    }
    Ok(Images::new(SIZE, SIZE, 1, pixels, Some(labels))?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (train, test) = (gratings(2048, 0)?, gratings(512, 1 << 20)?);
    let data = Dataset {
        name: "gratings".to_string(),
        classes: (0..DIRECTIONS).map(|i| format!("{} degrees", i * 180 / DIRECTIONS)).collect(),
        ..Dataset::new(Arc::new(train), Arc::new(test))
    };

    // Any key of the configuration, as in a file or on the command line.
    let mut config = Config::preset("demo")?;
    for assignment in [
        "data.image_size=24",
        "model.blocks=[1, 1, 1]",
        "model.dim=64",
        "model.predictor_dim=16",
        "augment.flip=0", // a mirrored grating is of another class
        "augment.mean=[0.5, 0.5, 0.5]",
        "augment.std=[0.25, 0.25, 0.25]",
        "optim.epochs=4",
    ] {
        config.set(assignment)?;
    }

    let gpu = Gpu::open(None, GpuOptions::default())?;
    let plan = TrainPlan::new(&gpu, &config.resolved(), Arc::new(data))?;
    let start = plan.start();
    println!("{} parameters, about {} MiB, on {}", start.parameters, start.memory_bytes >> 20, start.adapter);
    let mut trainer = Trainer::new(plan, None)?;
    // Send `train::Command`s through `_commands` from another thread to pause or stop.
    let (_commands, inbox) = mpsc::channel();
    let outcome = trainer.run(&inbox, &mut |event| {
        if let Event::Epoch(epoch) = event {
            println!(
                "epoch {}: loss {:.3}, output std {:.4}, kNN {}",
                epoch.epoch,
                epoch.readings.get("loss"),
                epoch.readings.get("output_std"),
                epoch.knn_top1().map_or("off".to_string(), |top1| format!("{:.1} %", top1 * 100.0))
            );
        }
    })?;
    assert_eq!(outcome, Outcome::Done);

    // The trained weights, under PyTorch's names.
    let (parameters, store) = trainer.state();
    let values = parameters.read(store)?;
    let total: usize = values.iter().map(Vec::len).sum();
    println!("{total} numbers in {} tensors, the first is {}", values.len(), parameters.entries()[0].name);
    Ok(())
}
