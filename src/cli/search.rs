//! `simsiam search`: the images of a data set that are most like an image.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};
use simsiam::data::{self, Decoding, Image, ImageSet};
use simsiam::eval::{EvalError, Neighbour, Output, nearest};
use simsiam::format::count;
use simsiam::picture::{self, NeighbourRow, NeighbourSheet};

use super::collection::{Collection, Part, captioned, same_pixels};
use super::say;
use super::trained::TrainedArgs;

#[derive(clap::Args)]
#[command(after_help = "\
Images are compared by the cosine similarity of the backbone's features, as in kNN: 1 is the same, 0 unrelated. An \
image of the data with the very pixels of the query is no neighbour; it is reported as a copy of it.")]
pub struct Args {
    #[command(flatten)]
    trained: TrainedArgs,
    /// Find the images most like this one; repeatable.
    #[arg(long, value_name = "FILE", required = true)]
    image: Vec<PathBuf>,
    /// Neighbours of each image.
    #[arg(long, value_name = "K", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    count: u32,
    /// Which images to search.
    #[arg(long, value_name = "PART", default_value = "all")]
    split: Part,
    /// Also save a picture of the neighbours: FILE.png or FILE.svg.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
}

/// So many more are looked at, because they may be copies.
const MOST_COPIES: usize = 64;
/// Copies cannot differ by more than rounding.
const COPY: f32 = 0.999;

/// What was found for an image.
struct Found {
    copies: Vec<usize>,
    neighbours: Vec<Neighbour>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    if let Some(file) = &args.out {
        picture::check_name(file)?;
    }
    for file in &args.image {
        anyhow::ensure!(file.is_file(), "--image {}: there is no such file; check the path", file.display());
    }
    let trained = args.trained.open(&[], args.json)?;
    let (config, data) = (&trained.config, &trained.data);
    let queries = data::image_files(args.image.clone(), Decoding::from(&config.data));
    let images: Vec<Image> = (0..queries.len()).map(|index| queries.read(index)).collect::<Result<_, _>>()?;
    let collection = Collection::of(data, args.split)?;
    // One pass for both: the queries come last.
    let set: Arc<dyn ImageSet> = Arc::new(collection.clone().with("query", queries.clone()));
    let batch = (2 * config.optim.batch_size).min(set.len());
    let mut bank = trained.features(&set, Output::Backbone, true, batch, "searched")?;
    let asked = bank.split_off(bank.images.partition_point(|&image| (image as usize) < collection.len()));
    if asked.images.len() < images.len() || bank.images.is_empty() {
        return Err(EvalError::NothingLeft { data: data.name.clone(), part: "searched" }.into());
    }

    let neighbours_shown = args.count as usize;
    let mut found = Vec::new();
    for (row, image) in images.iter().enumerate() {
        let (mut copies, mut neighbours) = (Vec::new(), Vec::new());
        for neighbour in nearest(&bank, asked.row(row), neighbours_shown + MOST_COPIES) {
            let index = neighbour.image as usize;
            match neighbour.similarity >= COPY && same_pixels(&set.read(index)?, image) {
                true => copies.push(index),
                false => neighbours.push(neighbour),
            }
        }
        neighbours.truncate(neighbours_shown);
        found.push(Found { copies, neighbours });
    }
    match args.json {
        true => {
            let mut object = trained.about();
            object["evaluation"] = json!("search");
            object["images"] = json!(bank.images.len());
            let queries = args.image.iter().zip(&found).map(|(file, found)| as_json(file, found, &collection));
            object["queries"] = queries.collect();
            say!("{object}");
        }
        false => {
            for (file, found) in args.image.iter().zip(&found) {
                show(file, found, &collection);
            }
        }
    }
    if let Some(file) = &args.out {
        let sheet = NeighbourSheet {
            title: "Nearest images".to_owned(),
            subtitle: format!("{}: {} images searched", trained.title(), count(bank.images.len())),
            rows: rows(&args.image, &images, &found, &collection)?,
            notes: vec!["Below each neighbour: cosine similarity of the backbone's features (1 is the same), class, name. Copies of an image are not among its neighbours.".to_owned()],
        };
        picture::write(&sheet.svg()?, file)?;
        if !args.json {
            say!("sheet    {}", file.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// An image of the data in JSON.
pub fn entry(index: usize, collection: &Collection) -> Value {
    let (part, number) = collection.place(index);
    let class = collection.class(index);
    json!({
        "name": collection.name(index),
        "file": collection.file(index).map(|file| file.display().to_string()),
        "split": part,
        "index": number,
        "label": class.as_ref().map(|(label, _)| label),
        "class": class.as_ref().map(|(_, name)| name),
    })
}

fn as_json(file: &Path, found: &Found, collection: &Collection) -> Value {
    let neighbour = |neighbour: &Neighbour| {
        let mut value = entry(neighbour.image as usize, collection);
        value["similarity"] = json!(neighbour.similarity);
        value
    };
    json!({
        "image": file.display().to_string(),
        "copies": found.copies.iter().map(|&index| entry(index, collection)).collect::<Vec<_>>(),
        "neighbours": found.neighbours.iter().map(neighbour).collect::<Vec<_>>(),
    })
}

/// What an image of the data is called among those of all parts.
pub fn name(index: usize, collection: &Collection) -> String {
    match collection.file(index) {
        Some(file) => file.display().to_string(),
        None => format!("{} {}", collection.place(index).0, collection.name(index)),
    }
}

/// The last part of that, for below a picture.
pub fn short_name(index: usize, collection: &Collection) -> String {
    let file = collection.file(index);
    let last = file.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    last.unwrap_or_else(|| name(index, collection))
}

fn show(file: &Path, found: &Found, collection: &Collection) {
    say!("");
    say!("nearest to {}", file.display());
    for &copy in &found.copies {
        say!("   copy  {}", name(copy, collection));
    }
    for Neighbour { image, similarity } in &found.neighbours {
        let class = collection.class(*image as usize).map_or_else(String::new, |(_, class)| format!("  {class:<14}"));
        say!(" {similarity:>6.4}{class}  {}", name(*image as usize, collection));
    }
}

fn rows(files: &[PathBuf], images: &[Image], found: &[Found], collection: &Collection) -> Result<Vec<NeighbourRow>> {
    let neighbour = |neighbour: &Neighbour| {
        let index = neighbour.image as usize;
        let mut lines = vec![format!("{:.4}", neighbour.similarity)];
        lines.extend(collection.class(index).map(|(_, class)| class));
        lines.push(short_name(index, collection));
        collection.captioned(index, lines)
    };
    let all = files.iter().zip(images).zip(found);
    all.map(|((file, image), found)| {
        let mut lines = vec![file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()];
        if let Some(copy) = found.copies.first() {
            lines.extend(collection.class(*copy).map(|(_, class)| class));
            lines.push("is in the data".to_owned());
        }
        let neighbours = found.neighbours.iter().map(neighbour).collect::<Result<_>>()?;
        Ok(NeighbourRow { image: captioned(image, lines), neighbours })
    })
    .collect()
}
