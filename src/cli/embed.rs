//! `simsiam embed`: the features of every image as a file, with names and labels, and a map of them.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde_json::json;
use simsiam::data::ImageSet;
use simsiam::eval::{
    EmbeddingFormat, EvalError, FeatureMap, FeatureTable, MapMethod, Output, feature_map, names_beside,
    neighbours_picture, write_embedding, write_projector,
};
use simsiam::format::count;
use simsiam::picture::{self, FeatureSheet};
use simsiam::train::EventsFile;

use super::bar::spinner;
use super::say;
use super::trained::{Trained, TrainedArgs};

#[derive(clap::Args)]
#[command(after_help = "\
FILE.safetensors holds a tensor `features` [images, width] and, if known, `labels`; FILE.npy holds the features \
alone. FILE.csv beside either lists every row: position, image number, name, label and class. FILE.parquet holds \
all of it: image, name, label, class and features, a list of 32-bit floats. Features are not normalised. Unreadable \
images are skipped.")]
pub struct Args {
    #[command(flatten)]
    trained: TrainedArgs,
    /// The features: FILE.safetensors, FILE.npy or FILE.parquet.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Which images [default: test, or train where there are no test images].
    #[arg(long, value_name = "PART")]
    split: Option<Split>,
    /// The projector's output instead of the backbone's.
    #[arg(long)]
    projector: bool,
    /// Images per batch [default: as many as the training had views].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,
    /// Also plot the images as dots coloured by class: FILE.png or FILE.svg.
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Projection of the map: tsne shows groups best, pca keeps distances and is instant.
    #[arg(long, value_name = "NAME", default_value = "tsne", requires = "map")]
    map_method: Method,
    /// Also write a folder for TensorBoard (`tensorboard --logdir DIR`): the embedding projector with an image and a class a point, and
    /// nearest neighbours as a picture.
    #[arg(long, value_name = "DIR")]
    tensorboard: Option<PathBuf>,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Split {
    Train,
    Test,
}

#[derive(Clone, Copy, ValueEnum)]
enum Method {
    Pca,
    Tsne,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    EmbeddingFormat::of(&args.out)?;
    if let Some(map) = &args.map {
        picture::check_name(map)?;
    }
    let trained = args.trained.open(&[], args.json)?;
    let (config, data) = (&trained.config, &trained.data);
    let split = args.split.unwrap_or(match data.test.is_empty() {
        true => Split::Train,
        false => Split::Test,
    });
    let (set, part): (&Arc<dyn ImageSet>, _) = match split {
        Split::Train => (&data.train, "training"),
        Split::Test => (&data.test, "test"),
    };
    if set.is_empty() {
        return Err(EvalError::Missing { data: data.name.clone(), missing: "test images" }.into());
    }
    let output = match args.projector {
        true => Output::Projector,
        false => Output::Backbone,
    };
    let batch = args.batch_size.map_or(2 * config.optim.batch_size, |n| n as usize).min(set.len());
    let table = trained.features(set, output, false, batch, part)?;
    write_embedding(&table, &**set, &data.classes, &args.out)?;
    let names = names_beside(&args.out);
    if let Some(file) = &args.map {
        let svg = sheet(&trained, &**set, &table, args.map_method, output, part);
        picture::write(&svg, file)?;
    }
    let mut points = 0;
    if let Some(folder) = &args.tensorboard {
        points = write_projector(&table, set, &data.classes, output.name(), folder)?;
        let mut events = EventsFile::new(folder, &Arc::from([]), None);
        events.picture("neighbours", trained.step(), &neighbours_picture(&table, set)?);
        events.flush().with_context(|| format!("{} cannot be written", folder.display()))?;
    }
    if args.json {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let mut object = trained.about();
        object["features"] = json!(args.out.display().to_string());
        object["names"] = json!(path(&names));
        object["map"] = json!(path(&args.map));
        object["tensorboard"] = json!(path(&args.tensorboard));
        object["split"] = json!(if split == Split::Train { "train" } else { "test" });
        object["output"] = json!(output.name());
        object["images"] = json!(table.images.len());
        object["width"] = json!(table.width);
        say!("{object}");
        return Ok(ExitCode::SUCCESS);
    }
    say!(
        "features {}: {} {part} images, {} numbers each of the {}",
        args.out.display(),
        count(table.images.len()),
        table.width,
        output.name()
    );
    if let Some(names) = names {
        say!("names    {}", names.display());
    }
    if let Some(file) = &args.map {
        say!("map      {}", file.display());
    }
    if let Some(folder) = &args.tensorboard {
        say!("projector {}: {} points; tensorboard --logdir {0} shows them", folder.display(), count(points));
    }
    Ok(ExitCode::SUCCESS)
}

/// The map as SVG. In a terminal something moves meanwhile.
fn sheet(
    trained: &Trained,
    set: &dyn ImageSet,
    table: &FeatureTable,
    method: Method,
    output: Output,
    part: &str,
) -> String {
    let waiting = spinner("drawing the map".to_owned());
    let (method, name) = match method {
        Method::Pca => (MapMethod::Pca, "principal components"),
        Method::Tsne => (MapMethod::Tsne, "t-SNE"),
    };
    let FeatureMap { rows, points, explained } = feature_map(table, method);
    waiting.finish_and_clear();
    let all = table.images.len();
    let which = match rows.len() == all {
        true => format!("{} {part} images", count(all)),
        false => format!("{} of {} {part} images, evenly spread", count(rows.len()), count(all)),
    };
    let how = match explained {
        Some(part) => format!(
            "The first two principal components, which hold {:.0} % of the variance. Features are scaled to length 1 before, as for kNN.",
            100.0 * part
        ),
        None => "t-SNE of the first 50 principal components, perplexity 30. Images near each other are alike to the network; distances between groups and their sizes mean nothing. Features are scaled to length 1 before, as for kNN.".to_owned(),
    };
    let labels = set.labels().map(|all| {
        let images = rows.iter().filter_map(|&row| table.images.get(row));
        let label = |&image: &u32| all.get(image as usize).copied().unwrap_or(0);
        images.map(label).collect()
    });
    let knows = match labels {
        Some(_) => " The network has not seen the classes in its training.",
        None => "",
    };
    FeatureSheet {
        title: format!("What the {} finds alike", output.name()),
        subtitle: format!("{}, {which}, {name}", trained.title()),
        points,
        labels,
        classes: trained.data.classes.clone(),
        notes: vec![how + knows],
    }
    .svg()
}
