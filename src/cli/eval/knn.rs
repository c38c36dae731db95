//! `simsiam eval knn`: every test image, on the backbone's and on the projector's output.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};
use simsiam::data::Dataset;
use simsiam::eval::{self, EvalError, KnnPlan, Output, Scores, check_predictions, class_name, write_predictions};
use simsiam::graph::Target;
use simsiam::model::Parameters;

use super::percent;
use crate::cli::counter::Counter;
use crate::cli::say;
use crate::cli::trained::TrainedArgs;

#[derive(clap::Args)]
#[command(after_help = "\
The k training images with the largest cosine similarity vote with weight exp(similarity / t), as during \
training. Ties go to the lowest class; a class without votes is never among the top five. The result does not \
depend on the batch size.")]
pub struct Args {
    #[command(flatten)]
    trained: TrainedArgs,
    /// Neighbours that vote [default: the run's].
    #[arg(long, value_name = "N")]
    k: Option<String>,
    /// Temperature t of the vote [default: the run's].
    #[arg(long, value_name = "T")]
    temperature: Option<String>,
    /// Images per batch [default: as many as the training had views].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,
    /// Also save the prediction for every test image.
    #[arg(long, value_name = "FILE.csv")]
    predictions: Option<PathBuf>,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    if let Some(file) = &args.predictions {
        check_predictions(file)?;
    }
    let keys = [("--k", "run.knn_k", &args.k), ("--temperature", "run.knn_temperature", &args.temperature)];
    let trained = args.trained.open(&keys, args.json)?;
    let (config, data) = (&trained.config, &trained.data);
    let batch = args.batch_size.map_or(2 * config.optim.batch_size, |n| n as usize);
    let mut parameters = Parameters::new();
    let target = Target::of(&trained.gpu);
    let plan = KnnPlan::of(&Output::ALL, config, data, &mut parameters, &target, batch)?;
    let mut plan = plan.ok_or_else(|| EvalError::Missing {
        data: data.name.clone(),
        missing: eval::missing(data).unwrap_or("labels"),
    })?;
    let mut store = trained.store(&parameters)?;
    let choices = trained.choose(&plan.work(data, 1))?;
    plan.choose(&choices);
    let batches = plan.batches(data) as u64;
    let mut knn = plan.compile(&mut store)?;

    let mut counter = Counter::new(batches, args.json);
    let mut done = 0;
    let verdicts = knn.classify(data, &mut || {
        done += 1;
        counter.at(done, "batches of images");
        true
    })?;
    counter.end();
    trained.warn(&knn.remarks());
    let verdicts = verdicts.unwrap_or_default(); // nobody stopped it
    let results: Vec<Scores> = verdicts.iter().map(|v| eval::scores(data, v)).collect();
    let widths = [config.model.feature_width(), config.model.dim];
    let k = config.run.neighbours(data.bank().len());
    match args.json {
        true => {
            let mut object = trained.about();
            object["evaluation"] = json!("knn");
            object["k"] = json!(k);
            object["temperature"] = json!(config.run.knn_temperature);
            object["train_images"] = json!(data.bank().len());
            object["shared_images"] = json!(data.shared);
            for ((output, width), scores) in Output::ALL.iter().zip(widths).zip(&results) {
                object[output.name()] = as_json(scores, width, data);
            }
            say!("{object}");
        }
        false => {
            say!("kNN      k {k} of {} images, temperature {}", data.bank().len(), config.run.knn_temperature);
            if data.shared > 0 {
                say!("         {} of {} test images are training images too", data.shared, data.test.len());
            }
            say!("");
            for line in table(&results, widths, data) {
                say!("{}", line.trim_end());
            }
        }
    }
    if let Some(file) = &args.predictions {
        let outputs = Output::ALL.into_iter().zip(verdicts.iter().map(Vec::as_slice));
        write_predictions(&outputs.collect::<Vec<_>>(), &*data.test, file)?;
        if !args.json {
            say!("");
            say!("predictions: {}", file.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(scores: &Scores, width: usize, data: &Dataset) -> Value {
    let classes = scores.classes.iter().enumerate().map(|(label, class)| {
        json!({
            "class": class_name(&data.classes, label as u32),
            "images": class.images,
            "top1": class.top1(),
        })
    });
    json!({
        "width": width,
        "test_images": scores.images,
        "top1": scores.top1,
        "top5": scores.top5,
        "classes": classes.collect::<Vec<_>>(),
    })
}

/// A row for all images, then one a class.
fn table(results: &[Scores], widths: [usize; 2], data: &Dataset) -> Vec<String> {
    let mut head = [String::new(), String::new(), String::from("images")];
    for ((output, width), scores) in Output::ALL.iter().zip(widths).zip(results) {
        head[0] += &format!("  {:<21}", format!("{} ({width})", output.name()));
        head[1] += &format!("  {:>9}  {:>9} ", "top-1", "top-5");
        head[2] = scores.images.to_string();
    }
    let names = |label: usize| class_name(&data.classes, label as u32);
    let classes = results.first().map_or(0, |scores| scores.classes.len());
    let longest = (0..classes).map(|label| names(label).chars().count()).max();
    let wide = longest.unwrap_or(0).clamp(10, 32);
    let mut all = format!("{:<wide$}  {:>7}", "all", head[2]);
    for scores in results {
        all += &format!("  {:>9}  {:>9} ", percent(scores.top1), percent(scores.top5));
    }
    let mut lines =
        vec![format!("{:<wide$}  {:>7}{}", "", "", head[0]), format!("{:<wide$}  {:>7}{}", "", "images", head[1]), all];
    for label in 0..classes {
        let name: String = names(label).chars().take(wide).collect();
        let images = results.iter().map(|scores| scores.classes[label].images);
        let mut line = format!("{name:<wide$}  {:>7}", images.max().unwrap_or(0));
        for scores in results {
            let top1 = scores.classes[label].top1().map_or("-".to_owned(), percent);
            line += &format!("  {top1:>9}  {:>9} ", "");
        }
        lines.push(line);
    }
    lines
}
