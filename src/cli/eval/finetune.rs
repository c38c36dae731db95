//! `simsiam eval finetune`: the backbone trained further with labels.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;
use simsiam::eval::{FinetuneEvent, FinetuneOptions, FinetunePlan, FinetuneReport};
use simsiam::format::count;

use super::{LabelArgs, percent};
use crate::cli::UsageError;
use crate::cli::counter::Counter;
use crate::cli::say;
use crate::cli::trained::TrainedArgs;

/// Above it an epoch is long enough.
const FEW_LABELS: f64 = 5.0;

#[derive(clap::Args)]
#[command(after_help = "\
As published (SimCLR App. B.5, SwAV): training images in random crops (area 0.08 to 1) and flips, test images centred; \
SGD with momentum 0.9, cosine schedule without warm-up, learning rates x batch size / 256, no weight decay, batch norm \
trained. The accuracy is that after the last epoch: the test images are looked at once, and nothing is chosen by them.

With --from-scratch the same training begins with random weights: the difference is what the run's training is worth. \
The run and its checkpoint are left as they are.")]
pub struct Args {
    #[command(flatten)]
    trained: TrainedArgs,
    #[command(flatten)]
    labels: LabelArgs,
    /// Passes over the labelled images [default: 60 with less than 5 % of the labels, else 30].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    epochs: Option<u32>,
    /// Images per step.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..))]
    batch_size: u32,
    /// Base learning rate of the backbone.
    #[arg(long, value_name = "RATE", default_value_t = 0.2)]
    lr: f64,
    /// Base learning rate of the classifier.
    #[arg(long, value_name = "RATE", default_value_t = 5.0)]
    classifier_lr: f64,
    /// Weight decay of all weights.
    #[arg(long, value_name = "DECAY", default_value_t = 0.0)]
    weight_decay: f64,
    /// Begin with random weights instead of the run's.
    #[arg(long)]
    from_scratch: bool,
    /// Seed of the labels drawn, initial weights, order and crops [default: the run's].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    check(args)?;
    let trained = args.trained.open(&[], args.json)?;
    let (config, few) = (&trained.config, args.labels.label_percent < FEW_LABELS);
    let options = FinetuneOptions {
        epochs: args.epochs.map_or(if few { 60 } else { 30 }, |epochs| epochs as usize),
        batch: args.batch_size as usize,
        rates: [args.lr, args.classifier_lr],
        weight_decay: args.weight_decay,
        seed: args.seed.unwrap_or(config.run.seed),
    };
    let data = args.labels.of(&trained.data, options.seed);
    let mut plan = FinetunePlan::new(config, &data, &options)?;
    let choices = trained.choose(&plan.work(&data))?;
    plan.choose(&choices);
    let weights = match args.from_scratch {
        true => None,
        false => Some(trained.weights(plan.backbone())?),
    };
    let mut finetune = plan.compile(&trained.gpu, weights)?;
    let mut counter = Counter::new(0, args.json);
    let mut what = String::from("steps");
    let report = finetune.run(&data, &mut |event| match event {
        FinetuneEvent::Step(done, of) => counter.at_of(*done as u64, *of as u64, &what),
        FinetuneEvent::Epoch(epoch, loss) => what = format!("steps, epoch {epoch}/{}: loss {loss:.4}", options.epochs),
        FinetuneEvent::Test(_) => {}
    })?;
    counter.end();
    trained.warn(&finetune.remarks());
    let FinetuneReport { images, batch, loss, scores } = &report;
    let classes = scores.classes.len();
    let top5 = (classes > 5).then_some(scores.top5);
    if args.json {
        let mut object = trained.about();
        object["evaluation"] = json!("finetune");
        args.labels.describe(&mut object);
        for (key, value) in [
            ("from_scratch", json!(args.from_scratch)),
            ("classes", json!(classes)),
            ("train_images", json!(images)),
            ("test_images", json!(scores.images)),
            ("epochs", json!(options.epochs)),
            ("batch_size", json!(batch)),
            ("lr", json!(args.lr)),
            ("classifier_lr", json!(args.classifier_lr)),
            ("weight_decay", json!(args.weight_decay)),
            ("seed", json!(options.seed)),
            ("loss", json!(loss)),
            ("top1", json!(scores.top1)),
            ("top5", json!(top5)),
            ("macro_recall", json!(scores.macro_recall())),
        ] {
            object[key] = value;
        }
        say!("{object}");
        return Ok(ExitCode::SUCCESS);
    }
    let (training, test) = (count(*images), count(scores.images));
    let labels = args.labels.text(&trained.data);
    say!("finetune {classes} classes, {training} training and {test} test images{labels}, crops and flips");
    say!(
        "         SGD, batch {batch}, {} epochs, lr {}, of the classifier {}{}",
        options.epochs,
        args.lr,
        args.classifier_lr,
        if args.from_scratch { "; from random weights" } else { "" }
    );
    say!("");
    let top5 = top5.map_or_else(String::new, |top5| format!(", top-5 {}", percent(top5)));
    say!(
        "fine-tuned top-1 {}{top5}, mean recall of the classes {}, after the last epoch (loss {loss:.4})",
        percent(scores.top1),
        percent(scores.macro_recall())
    );
    Ok(ExitCode::SUCCESS)
}

fn check(args: &Args) -> Result<()> {
    // The device computes in 32-bit floats.
    let batch = f64::from(args.batch_size);
    let usable = |rate: f64| rate >= 0.0 && ((rate * batch / 256.0) as f32).is_finite();
    for (flag, value) in
        [("--lr", args.lr), ("--classifier-lr", args.classifier_lr), ("--weight-decay", args.weight_decay)]
    {
        if !usable(value) {
            return Err(UsageError(format!("{flag} {value}: give a number from 0 on, below 3.4e38")).into());
        }
    }
    Ok(())
}
