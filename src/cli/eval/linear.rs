//! `simsiam eval linear`: a sweep of linear classifiers on the frozen backbone.

use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;
use serde_json::{Value, json};
use simsiam::data::Dataset;
use simsiam::eval::{
    Accuracy, LinearEvent, LinearOptions, LinearReport, ProbeOptimizer, RateResult, linear, linear_plan,
};
use simsiam::graph::tune::Work;
use simsiam::model::Parameters;

use super::{LabelArgs, percent};
use crate::cli::UsageError;
use crate::cli::counter::Counter;
use crate::cli::say;
use crate::cli::trained::TrainedArgs;
use simsiam::format::count;

#[derive(clap::Args)]
#[command(after_help = "\
The paper's protocol (App. A): training images in random crops (area 0.08 to 1) and flips, test images centred; \
cosine schedule without warm-up, momentum 0.9, no weight decay, learning rate x batch size / 256.

--quick computes the training features once, without crops. At the end the backbone is compared bit for bit with \
its checkpoint. As usual, the best learning rate and epoch are chosen on the test images; the last epoch's \
accuracy involves no choice of epoch.")]
pub struct Args {
    #[command(flatten)]
    trained: TrainedArgs,
    #[command(flatten)]
    labels: LabelArgs,
    /// Passes over the training images.
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    epochs: u32,
    /// Images per step.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,
    /// Base learning rates, comma-separated; all are trained at once [default: eight from 0.1 to 300, for lars from 0.02 to 100].
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    lr: Vec<f64>,
    /// Optimiser: sgd, or lars as in the paper (trust coefficient 0.001).
    #[arg(long, value_name = "NAME", default_value = "sgd")]
    optimizer: Optimizer,
    /// Compute the features of the training images once, without crops.
    #[arg(long)]
    quick: bool,
    /// Seed of the labels drawn, initial weights, order and crops [default: the run's].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Optimizer {
    Sgd,
    Lars,
}

impl Optimizer {
    fn of_probe(self) -> ProbeOptimizer {
        match self {
            Optimizer::Sgd => ProbeOptimizer::Sgd,
            Optimizer::Lars => ProbeOptimizer::Lars,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Optimizer::Sgd => "SGD",
            Optimizer::Lars => "LARS",
        }
    }
}

/// More are a mistake, and would take much memory.
const MOST_RATES: usize = 64;

pub fn run(args: &Args) -> Result<ExitCode> {
    let rates = rates(args)?;
    let trained = args.trained.open(&[], args.json)?;
    let config = &trained.config;
    let options = LinearOptions {
        epochs: args.epochs as usize,
        rates,
        optimizer: args.optimizer.of_probe(),
        quick: args.quick,
        seed: args.seed.unwrap_or(config.run.seed),
    };
    let data = &args.labels.of(&trained.data, options.seed);
    let mut parameters = Parameters::new();
    let mut plan = linear_plan(config, data, &mut parameters, args.batch_size as usize)?;
    let store = &mut trained.store(&parameters)?;
    let (training, test) = (plan.batches(&**data.bank()), plan.batches(&*data.test));
    let passes = if args.quick { 1 } else { options.epochs };
    let choices = trained.choose(&[Work { graph: plan.graph(), runs: (test + passes * training) as u64 }])?;
    plan.choose(&choices);
    let mut features = plan.compile(store)?;

    let once = test + if args.quick { training } else { 0 };
    let mut counter = Counter::new(once as u64, args.json);
    let mut best = String::from("steps");
    let network = (&parameters, &*store);
    let report = linear(&mut features, network, config, data, &options, &mut |event| match event {
        LinearEvent::Features(done) => counter.at(*done as u64, "batches of features"),
        LinearEvent::Step(done, of) => counter.at_of(*done as u64, *of as u64, &best),
        LinearEvent::Epoch(epoch, top1) => {
            let most = top1.iter().copied().fold(0.0, f64::max);
            best = format!("steps, epoch {epoch}/{}: best of the rates {}", options.epochs, percent(most));
        }
    })?;
    counter.end();
    trained.warn(&features.remarks());
    match args.json {
        true => {
            let mut object = trained.about();
            object["evaluation"] = json!("linear");
            object["optimizer"] = json!(args.optimizer.name().to_lowercase());
            object["quick"] = json!(args.quick);
            object["epochs"] = json!(options.epochs);
            object["seed"] = json!(options.seed);
            args.labels.describe(&mut object);
            describe(&mut object, &report);
            say!("{object}");
        }
        false => show(args, &trained.data, &report),
    }
    Ok(ExitCode::SUCCESS)
}

fn rates(args: &Args) -> Result<Vec<f64>> {
    // The device computes in 32-bit floats.
    let batch = f64::from(args.batch_size);
    let usable = |rate: &f64| (*rate as f32) > 0.0 && ((rate * batch / 256.0) as f32).is_finite();
    if let Some(bad) = args.lr.iter().find(|rate| !usable(rate)) {
        return Err(UsageError(format!(
            "--lr {bad}: a learning rate is above 0 and, times the batch size / 256, below 3.4e38"
        ))
        .into());
    }
    if args.lr.len() > MOST_RATES {
        let problem = format!("--lr: {} rates; give at most {MOST_RATES}", args.lr.len());
        return Err(UsageError(problem).into());
    }
    Ok(match args.lr.is_empty() {
        true => LinearOptions::default_rates(args.optimizer.of_probe()).to_vec(),
        false => args.lr.clone(),
    })
}

fn describe(object: &mut Value, report: &LinearReport) {
    let accuracy =
        |a: &Accuracy| json!({ "epoch": a.epoch, "top1": a.top1, "top5": a.top5, "macro_recall": a.macro_recall });
    let rate = |rate: &RateResult| {
        json!({
            "lr": rate.base,
            "effective_lr": rate.rate,
            // JSON has no number for it.
            "loss": rate.loss.is_finite().then_some(rate.loss),
            "diverged": !rate.loss.is_finite(),
            "best": accuracy(&rate.best),
            "last": accuracy(&rate.last),
        })
    };
    object["width"] = json!(report.width);
    object["classes"] = json!(report.classes);
    object["train_images"] = json!(report.images[0]);
    object["test_images"] = json!(report.images[1]);
    object["batch_size"] = json!(report.batch);
    object["rates"] = report.rates.iter().map(rate).collect();
    object["best_lr"] = json!(report.best().map(|best| best.base));
    object["best_at_edge"] = json!(report.at_edge().is_some());
}

fn show(args: &Args, all: &Dataset, report: &LinearReport) {
    let [training, test] = report.images.map(count);
    say!(
        "linear   {} features, {} classes, {training} training and {test} test images{}{}",
        report.width,
        report.classes,
        args.labels.text(all),
        if args.quick { ", features made once" } else { ", crops and flips" }
    );
    say!(
        "         {}, batch {}, {} epochs, {} rates at once; the backbone is unchanged, bit for bit",
        args.optimizer.name(),
        report.batch,
        args.epochs,
        report.rates.len()
    );
    say!("");
    say!(
        "{:>8}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}  {:>8}",
        "lr",
        "used",
        "last top1",
        "last top5",
        "best top1",
        "at epoch",
        "loss"
    );
    let best = report.best().map(|best| best.base);
    for rate in &report.rates {
        let loss = match rate.loss.is_finite() {
            true => format!("{:.4}", rate.loss),
            false => "diverged".to_owned(),
        };
        let mark = if best == Some(rate.base) { "  best" } else { "" };
        say!(
            "{:>8}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}  {loss:>8}{mark}",
            number(rate.base),
            number(rate.rate),
            percent(rate.last.top1),
            percent(rate.last.top5),
            percent(rate.best.top1),
            rate.best.epoch
        );
    }
    let Some(best) = report.best() else {
        say!("");
        say!("no result: the loss of every rate has left the range of numbers; try smaller ones with --lr");
        return;
    };
    say!("");
    say!(
        "linear top-1 {} after the last epoch, {} at best (epoch {}), at lr {}",
        percent(best.last.top1),
        percent(best.best.top1),
        best.best.epoch,
        number(best.base)
    );
    let try_also = |factor: f64| number(best.base * factor);
    match report.at_edge() {
        Some(true) => say!(
            "that is the largest rate tried: larger ones may be better still, such as --lr {},{},{}",
            number(best.base),
            try_also(3.0),
            try_also(10.0)
        ),
        Some(false) => say!(
            "that is the smallest rate tried: smaller ones may be better still, such as --lr {},{},{}",
            try_also(0.1),
            try_also(0.3),
            number(best.base)
        ),
        None => {}
    }
}

/// Four digits, without zeros at the end.
fn number(value: f64) -> String {
    let digits = 3 - value.abs().log10().floor() as i32;
    let text = format!("{value:.0$}", digits.clamp(0, 9) as usize);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn rates_are_short() {
        let text = [0.02, 0.1, 30.0, 0.1171875, 300.0, 0.30000000000000004].map(number);
        assert_eq!(text, ["0.02", "0.1", "30", "0.1172", "300", "0.3"]);
    }
}
