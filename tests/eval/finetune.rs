//! Fine-tuning on the images of the demo. That its steps are PyTorch's is in `tests/model.rs`.

use simsiam::data::Dataset;
use simsiam::eval::{FinetuneEvent, FinetuneOptions, FinetunePlan, FinetuneReport, with_label_percent};

use crate::subject::{Result, dataset, gpu};
use crate::tiny::tiny;

const OPTIONS: FinetuneOptions =
    FinetuneOptions { epochs: 16, batch: 20, rates: [1.0, 4.0], weight_decay: 0.0, seed: 3 };

/// What comes of it, the losses of all epochs, and weights before and after.
struct Outcome {
    report: FinetuneReport,
    losses: Vec<f64>,
    before: Vec<Vec<f32>>,
    after: Vec<Vec<f32>>,
    /// Whether each is a running statistic.
    running: Vec<bool>,
}

fn finetune(data: &Dataset, options: &FinetuneOptions) -> Result<Outcome> {
    let config = tiny(&["model.width=8"])?;
    let plan = FinetunePlan::new(&config, data, options)?;
    let weights = plan.backbone().initialize(5);
    let names: Vec<String> = plan.backbone().entries().iter().map(|entry| entry.name.clone()).collect();
    let mut finetune = plan.compile(&gpu()?, Some(weights))?;
    let before = finetune.weights()?;
    let mut losses = Vec::new();
    let report = finetune.run(data, &mut |event| {
        if let FinetuneEvent::Epoch(_, loss) = event {
            losses.push(*loss);
        }
    })?;
    assert!(finetune.remarks().is_empty());
    let after = finetune.weights()?;
    Ok(Outcome { report, losses, before, after, running: names.iter().map(|name| name.contains("running")).collect() })
}

fn data() -> Result<Dataset> {
    dataset(&tiny(&["data.limit_train=500", "data.limit_test=200"])?)
}

#[test]
fn the_whole_network_learns_the_labels() -> Result {
    let data = data()?;
    let all = finetune(&data, &OPTIONS)?;
    assert_eq!((all.report.images, all.report.batch, all.report.scores.images), (500, 20, 200));
    // The classifier's first weights are small: the first loss is about that of a guess.
    assert!(all.losses[0] < 10_f64.ln() + 0.1 && all.report.loss < 0.75 * all.losses[0], "{:?}", all.losses);
    assert_eq!((all.losses.len(), all.losses.last()), (16, Some(&all.report.loss)));
    // Every tensor of the backbone has moved, its statistics too.
    for (i, running) in all.running.iter().enumerate() {
        assert_ne!(all.before[i], all.after[i], "tensor {i}, running {running}");
    }
    // With a rate of zero the backbone stays where it was, to the bit, and what is left is a classifier on random features: worse.
    let frozen = finetune(&data, &FinetuneOptions { rates: [0.0, 4.0], ..OPTIONS })?;
    for (i, &running) in frozen.running.iter().enumerate() {
        assert_eq!(frozen.before[i] == frozen.after[i], !running, "tensor {i}");
    }
    let top1 = [&all, &frozen].map(|outcome| outcome.report.scores.top1);
    println!("fine-tuned {}, classifier alone {}", top1[0], top1[1]);
    assert!(top1[0] > 0.5 && top1[0] > top1[1] + 0.1, "{top1:?}");
    Ok(())
}

#[test]
fn few_labels_teach_less_and_a_wild_rate_is_an_error() -> Result {
    let data = data()?;
    let few = with_label_percent(&data, 4.0, 0);
    assert_eq!((few.bank().len(), few.train.len(), few.test.len()), (20, 500, 200));
    // Fewer images than a batch are one batch.
    let options = FinetuneOptions { epochs: 20, batch: 32, ..OPTIONS };
    let outcome = finetune(&few, &options)?;
    assert_eq!((outcome.report.images, outcome.report.batch), (20, 20));
    let top1 = outcome.report.scores.top1;
    assert!((0.15..0.5).contains(&top1), "{top1}");
    // The same once more has the same bits.
    let again = finetune(&few, &options)?;
    assert!(again.report == outcome.report && again.after == outcome.after);

    let wild = finetune(&data, &FinetuneOptions { rates: [1e30, 1.0], ..OPTIONS });
    let error = wild.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("fine-tuning has diverged") && error.contains("--lr"), "{error}");
    let one = finetune(&dataset(&tiny(&["data.limit_train=1"])?)?, &OPTIONS);
    let error = one.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("needs two labelled training images"), "{error}");
    Ok(())
}
