//! Makes features of a folder of images and searches it, through the library.
//!
//!     cargo run --release --example embed_and_search                  # the built-in images, random weights
//!     cargo run --release --example embed_and_search -- RUN           # the images and the network of a run
//!     cargo run --release --example embed_and_search -- RUN FOLDER    # a folder of your own
//!
//! The features of the training images are the bank; of each test image the nearest of them are looked for. Where there are labels, the share of
//! neighbours of the query's own class says how well that works: with random weights 44 % in the built-in images, where a tenth
//! would be chance.

use std::path::Path;

use simsiam::config::Config;
use simsiam::data::{self, ImageSet, Limits};
use simsiam::eval::{FeaturePlan, FeatureSpec, Neighbour, Output, class_name, nearest};
use simsiam::gpu::{Gpu, GpuOptions};
use simsiam::graph::Store;
use simsiam::model::Parameters;
use simsiam::train::RunFolder;

const BATCH: usize = 64;
const NEIGHBOURS: usize = 5;
/// Queries that are printed with their neighbours.
const SHOWN: usize = 4;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (mut config, checkpoint) = match arguments.next() {
        Some(run) => {
            let (config, checkpoint) = RunFolder::trained(Path::new(&run), None)?;
            (config, Some(checkpoint))
        }
        None => {
            let mut config = Config::preset("demo")?;
            for assignment in ["model.width=8", "data.limit_train=2000", "data.limit_test=200"] {
                config.set(assignment)?;
            }
            (config.resolved(), None)
        }
    };
    if let Some(folder) = arguments.next() {
        config.data.source = folder;
        (config.data.limit_train, config.data.limit_test) = (0, 0);
    }
    let data = data::open(&config.data.source.parse()?, Limits::from(&config.data))?;
    let gpu = Gpu::open(None, GpuOptions::default())?;

    // What is computed, then its weights, then the program: shapes are known before anything is allocated.
    let mut parameters = Parameters::new();
    let one_size = data.train.size().filter(|_| data.test.size().is_some());
    let spec = FeatureSpec::new(one_size, BATCH, &[Output::Backbone]).unit();
    let plan = FeaturePlan::new(&config, &mut parameters, &spec)?;
    let weights = match &checkpoint {
        Some(checkpoint) => checkpoint.weights(&parameters)?,
        None => parameters.initialize(0),
    };
    let mut store = Store::new(&gpu);
    parameters.allocate_frozen(&mut store)?;
    parameters.write(&store, &weights);
    let mut features = plan.compile(&mut store)?;

    // The closure is asked after every batch whether to go on.
    let bank = features.table(&data.train, &mut || true)?.ok_or("stopped")?;
    println!("{}: {} images, {} features each, on {}", data.name, bank.images.len(), bank.width, gpu.report().name);
    let set = if data.test.is_empty() { &data.train } else { &data.test };
    let queries = features.table(set, &mut || true)?.ok_or("stopped")?;
    features.remarks().iter().for_each(|remark| println!("warning: {remark}"));

    let label = |set: &dyn ImageSet, image: u32| set.labels().and_then(|labels| labels.get(image as usize).copied());
    let class = |set: &dyn ImageSet, image| label(set, image).map_or(String::new(), |l| class_name(&data.classes, l));
    let (mut same, mut known) = (0, 0);
    for (row, &image) in queries.images.iter().enumerate() {
        // Where a set is searched for its own images, the first one found is the query.
        let own = usize::from(data.test.is_empty());
        let found: Vec<Neighbour> = nearest(&bank, queries.row(row), NEIGHBOURS + own).into_iter().skip(own).collect();
        if let Some(expected) = label(&**set, image) {
            let right = found.iter().filter(|n| label(&*data.train, n.image) == Some(expected)).count();
            (same, known) = (same + right, known + found.len());
        }
        if row < SHOWN {
            println!("nearest to {} {}", set.name(image as usize), class(&**set, image));
            for Neighbour { image, similarity } in found {
                println!("  {similarity:.4}  {} {}", data.train.name(image as usize), class(&*data.train, image));
            }
        }
    }
    if known > 0 {
        println!("{:.1} % of the neighbours are of the query's class", 100.0 * same as f64 / known as f64);
    }
    Ok(())
}
