//! `simsiam dedup`: near-duplicates among the images of a data set. Nothing is deleted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};
use simsiam::data::{Image, ImageSet};
use simsiam::eval::{DUPLICATE_SIMILARITY, FeatureTable, Output, duplicates, duplicates_among, is_plain, whitened};
use simsiam::format::count;
use simsiam::hash::Fnv;
use simsiam::picture::{self, NeighbourRow, NeighbourSheet};

use super::UsageError;
use super::collection::{Collection, Part, same_pixels};
use super::counter::Counter;
use super::say;
use super::search::{entry, name, short_name};
use super::trained::TrainedArgs;

#[derive(clap::Args)]
#[command(after_help = "\
Compares the backbone's features of all images with each other, whitened over the data set (64 main directions, equally \
weighted): the default threshold finds re-encoded JPEGs, docs/interoperability.md says how well. Images connected by \
such pairs form a group. In a group the image with the most pixels is kept, of equals one in a lossless format, then the largest file, then the first; the others \
are redundant: exact copies if their pixels are the same. Images of nearly one colour, which a network finds all alike, are compared by their pixels only. Nothing is ever deleted. With --list:

  simsiam dedup --run DIR --data FOLDER --list | tr '\\n' '\\0' | xargs -0 mv -t ELSEWHERE")]
pub struct Args {
    #[command(flatten)]
    trained: TrainedArgs,
    /// Images whose features have a larger cosine similarity are near-duplicates.
    #[arg(long, value_name = "S", default_value_t = DUPLICATE_SIMILARITY)]
    threshold: f64,
    /// Which images to compare.
    #[arg(long, value_name = "PART", default_value = "all")]
    split: Part,
    /// Also save a picture of the groups: FILE.png or FILE.svg.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
    /// Print the files of redundant images, one a line, and nothing else.
    #[arg(long, conflicts_with = "json")]
    list: bool,
}

/// So many groups are printed; JSON and list have all.
const SHOWN: usize = 20;

/// An image of a group.
struct Member {
    index: usize,
    size: [u32; 2],
    /// Of its file, where it has one.
    bytes: Option<u64>,
    /// With the one that is kept.
    similarity: f64,
    /// Whether its pixels are those of the one that is kept.
    exact: bool,
}

/// Near-duplicates: the one that is kept comes first.
struct Group(Vec<Member>);

pub fn run(args: &Args) -> Result<ExitCode> {
    if !(args.threshold > 0.0 && args.threshold <= 1.0) {
        let problem = format!("--threshold {}: a similarity above 0 and at most 1", args.threshold);
        return Err(UsageError(problem).into());
    }
    if let Some(file) = &args.out {
        picture::check_name(file)?;
    }
    let quiet = args.json || args.list;
    let trained = args.trained.open(&[], quiet)?;
    let (config, data) = (&trained.config, &trained.data);
    let collection = Collection::of(data, args.split)?;
    let set: Arc<dyn ImageSet> = Arc::new(collection.clone());
    let batch = (2 * config.optim.batch_size).min(set.len());
    let table = whitened(&trained.features(&set, Output::Backbone, false, batch, "compared")?);
    let mut counter = Counter::new(0, quiet);
    let found = duplicates(&trained.gpu, &table, args.threshold, &mut |done, of| {
        counter.at_of(done as u64, of as u64, "blocks compared");
    })?;
    counter.end();
    let (found, plain) = without_plain(found, &table, args.threshold, &collection)?;
    let groups = found.iter().map(|rows| group(rows, &table, &collection)).collect::<Result<Vec<_>>>()?;

    let redundant: Vec<&Member> = groups.iter().flat_map(|group| &group.0[1..]).collect();
    let bytes = redundant.iter().map(|member| member.bytes).sum::<Option<u64>>().filter(|_| !redundant.is_empty());
    if args.json {
        let mut object = trained.about();
        object["evaluation"] = json!("dedup");
        object["threshold"] = json!(args.threshold);
        object["images"] = json!(table.images.len());
        object["redundant_images"] = json!(redundant.len());
        object["exact_copies"] = json!(redundant.iter().filter(|member| member.exact).count());
        object["redundant_bytes"] = json!(bytes);
        object["plain_images"] = json!(plain);
        object["groups"] = groups.iter().map(|group| as_json(group, &collection)).collect();
        say!("{object}");
    } else if args.list {
        redundant.iter().for_each(|member| say!("{}", name(member.index, &collection)));
    } else {
        show(args, &groups, &redundant, bytes, &collection, table.images.len());
        if plain > 0 {
            say!("");
            say!("{} images of nearly one colour were compared by their pixels only", count(plain));
        }
    }
    if let Some(file) = &args.out {
        let sheet = NeighbourSheet {
            title: "Near-duplicates".to_owned(),
            subtitle: format!(
                "{}: {} groups among {} images, similarity {} and more",
                trained.title(),
                count(groups.len()),
                count(table.images.len()),
                args.threshold
            ),
            rows: groups
                .iter()
                .take(NeighbourSheet::MAX_ROWS)
                .map(|group| row(group, &collection))
                .collect::<Result<_>>()?,
            notes: vec!["Left, the image of a group that would be kept; beside it the others, with the cosine similarity of whitened features.".to_owned()],
        };
        picture::write(&sheet.svg()?, file)?;
        if !quiet {
            say!("sheet    {}", file.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Groups in which images of nearly one colour are with exact copies only, and how many such images there are in the groups given.
fn without_plain(
    found: Vec<Vec<usize>>,
    table: &FeatureTable,
    threshold: f64,
    collection: &Collection,
) -> Result<(Vec<Vec<usize>>, usize)> {
    let (mut groups, mut plain) = (Vec::new(), 0);
    for rows in found {
        let mut others = Vec::new();
        let mut copies: BTreeMap<(u32, u32, u64), Vec<usize>> = BTreeMap::new();
        for &row in &rows {
            let image = collection.read(table.images[row] as usize)?;
            match is_plain(&image) {
                true => {
                    let pixels = Fnv::of(image.to_rgb());
                    copies.entry((image.width, image.height, pixels)).or_default().push(row);
                }
                false => others.push(row),
            }
        }
        plain += rows.len() - others.len();
        match copies.is_empty() {
            true => groups.push(rows),
            // Others may have been together through such images alone.
            false => groups.extend(duplicates_among(table, &others, threshold)),
        }
        groups.extend(copies.into_values().filter(|copies| copies.len() > 1));
    }
    groups.sort();
    Ok((groups, plain))
}

fn group(rows: &[usize], table: &FeatureTable, collection: &Collection) -> Result<Group> {
    let mut members = Vec::new();
    for &row in rows {
        let index = table.images[row] as usize;
        let image = collection.read(index)?;
        let size = [image.width, image.height];
        let bytes = collection.file(index).and_then(|file| Some(file.metadata().ok()?.len()));
        members.push((row, Member { index, size, bytes, similarity: 1.0, exact: false }));
    }
    // Of equals the first.
    let pixels = |member: &Member| u64::from(member.size[0]) * u64::from(member.size[1]);
    members.sort_by_key(|(_, member)| {
        std::cmp::Reverse((pixels(member), is_lossless(member.index, collection), member.bytes))
    });
    let first = members.first().map(|(row, member)| (*row, member.index));
    if let Some((kept, index)) = first {
        let original: Image = collection.read(index)?;
        for (row, member) in &mut members[1..] {
            let products = table.row(kept).iter().zip(table.row(*row)).map(|(a, b)| f64::from(*a) * f64::from(*b));
            member.similarity = products.sum();
            member.exact = same_pixels(&original, &collection.read(member.index)?);
        }
    }
    Ok(Group(members.into_iter().map(|(_, member)| member).collect()))
}

/// Whether the name of an image's file is that of a format that loses nothing.
fn is_lossless(index: usize, collection: &Collection) -> bool {
    let file = collection.file(index);
    let extension = file.as_deref().and_then(Path::extension).map(|extension| extension.to_ascii_lowercase());
    let lossless = ["png", "bmp", "tif", "tiff", "qoi", "pnm", "pgm", "ppm"];
    extension.and_then(|e| e.to_str().map(|e| lossless.contains(&e))).unwrap_or(false)
}

fn as_json(group: &Group, collection: &Collection) -> Value {
    let member = |member: &Member| {
        let mut value = entry(member.index, collection);
        value["width"] = json!(member.size[0]);
        value["height"] = json!(member.size[1]);
        value["bytes"] = json!(member.bytes);
        value
    };
    let duplicate = |other: &Member| {
        let mut value = member(other);
        value["similarity"] = json!(other.similarity);
        value["exact"] = json!(other.exact);
        value
    };
    json!({
        "keep": group.0.first().map(member),
        "duplicates": group.0[1..].iter().map(duplicate).collect::<Vec<_>>(),
    })
}

fn show(
    args: &Args,
    groups: &[Group],
    redundant: &[&Member],
    bytes: Option<u64>,
    collection: &Collection,
    images: usize,
) {
    let exact = redundant.iter().filter(|member| member.exact).count();
    let saved = bytes.map_or_else(String::new, |bytes| format!(", {:.1} MB in files", bytes as f64 / 1e6));
    say!(
        "dedup    {} groups at similarity {} and more: {} of {} images are redundant ({exact} exact copies){saved}",
        count(groups.len()),
        args.threshold,
        count(redundant.len()),
        count(images)
    );
    for group in groups.iter().take(SHOWN) {
        say!("");
        for (place, member) in group.0.iter().enumerate() {
            let how = match (place, member.exact) {
                (0, _) => "keep".to_owned(),
                (_, true) => "exact".to_owned(),
                _ => format!("{:.4}", member.similarity),
            };
            let bytes = member.bytes.map_or_else(String::new, |bytes| format!(", {} bytes", count(bytes as usize)));
            let [width, height] = member.size;
            say!(" {how:>6}  {}  ({width}x{height}{bytes})", name(member.index, collection));
        }
    }
    if groups.len() > SHOWN {
        say!("");
        say!("{} more groups: --json or --list has all, --out shows them", count(groups.len() - SHOWN));
    }
}

fn row(group: &Group, collection: &Collection) -> Result<NeighbourRow> {
    let shown = |(place, member): (usize, &Member)| {
        let head = match (place, member.exact) {
            (0, _) => "keep".to_owned(),
            (_, true) => "exact copy".to_owned(),
            _ => format!("{:.4}", member.similarity),
        };
        let size = format!("{} × {} px", member.size[0], member.size[1]);
        collection.captioned(member.index, vec![head, size, short_name(member.index, collection)])
    };
    let mut images = group.0.iter().enumerate().map(shown).collect::<Result<Vec<_>>>()?.into_iter();
    let image = images.next().ok_or_else(|| anyhow::anyhow!("a group without images"))?;
    Ok(NeighbourRow { image, neighbours: images.collect() })
}
