//! What people are shown is what the network is trained on.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, mpsc};

use simsiam::augment::{self, Patch, Preview, ViewDraws, ViewGroup};
use simsiam::config::{Config, EvalCrop};
use simsiam::data::{self, Dataset, Image, Images, Limits, PixelInfo, Spec};
use simsiam::gpu::{Gpu, GpuOptions};
use simsiam::graph::{Array, Op};
use simsiam::method;
use simsiam::ops::{AugmentParams, Crop};
use simsiam::picture::ViewSheet;
use simsiam::train::{TrainPlan, Trainer};
use simsiam::view_sheet::view_row;
use tempfile::TempDir;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// One batch is one epoch.
fn config(images: usize) -> Result<Config> {
    let mut config = Config::preset("demo")?;
    for assignment in [
        "model.blocks=[1]",
        "model.width=4",
        "model.dim=16",
        "model.projector_hidden=16",
        "model.predictor_dim=4",
        "augment.blur_probability=0.5",
        "augment.second.flip=1",
        "augment.second.solarize=0.5",
        "optim.epochs=1",
        "run.knn_every=0",
        "run.seed=7",
    ] {
        config.set(assignment)?;
    }
    config.set(&format!("optim.batch_size={images}"))?;
    Ok(config)
}

/// Takes one training step and holds its views against those of the sheet.
fn same_bits(config: &Config, data: Dataset) -> Result {
    let gpu = Gpu::open(None, GpuOptions { checked: true })?;
    let batch = config.optim.batch_size;
    assert_eq!(data.train.len(), batch);
    let mut trainer = Trainer::new(TrainPlan::new(&gpu, config, Arc::new(data.clone()))?, None)?;
    let (_commands, inbox) = mpsc::channel();
    trainer.run(&inbox, &mut |_| {})?;
    assert_eq!(trainer.steps_done(), 1);
    let trained = trainer.views()?.ok_or("f32 keeps them")?;
    // Fewer images than the batch has, so that the kernels run for another number of them.
    let shown = Preview::new(&gpu, config, &method::of(config).views(config), batch - 3)?.epoch(&data.train, 0)?;
    let size = trained.len() / (2 * batch);
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    for (i, (_, views)) in shown.iter().enumerate() {
        for (v, view) in views.iter().enumerate() {
            let row = v * batch + i;
            let trained = &trained[row * size..(row + 1) * size];
            assert_eq!(bits(&view.values), bits(trained), "image {i}, view {v}");
            assert!(trained.iter().any(|value| *value != trained[0]));
        }
    }
    assert_eq!(shown.len(), batch - 3);
    Ok(())
}

#[test]
fn a_sheet_shows_the_tensors_of_the_training_step() -> Result {
    let mut config = config(12)?;
    config.data.limit_train = 12;
    // On the device as a whole.
    same_bits(&config, data::open(&Spec::Demo, Limits::from(&config.data))?)?;
    // Photos, some of them so large that their crops are filtered first.
    let folder = TempDir::new()?;
    for i in 0..12_u32 {
        let noise = |x: u32, y: u32| (x * 7 + y * 13 + i * 31 + x * y / 9) as u8;
        image::RgbImage::from_fn(20 + 17 * i, 150 - 9 * i, |x, y| image::Rgb([noise(x, y), noise(y, x), x as u8]))
            .save(folder.path().join(format!("{i:02}.jpg")))?;
    }
    config.data.limit_train = 0;
    let spec = Spec::Images(folder.path().to_owned());
    same_bits(&config, data::open(&spec, Limits::from(&config.data))?)
}

#[test]
fn any_step_and_any_image_can_be_seen_as_they_are_trained_on() -> Result {
    let mut config = config(4)?;
    config.data.limit_train = 14;
    let data = data::open(&Spec::Demo, Limits::from(&config.data))?;
    let gpu = Gpu::open(None, GpuOptions { checked: true })?;
    let mut trainer = Trainer::new(TrainPlan::new(&gpu, &config, Arc::new(data.clone()))?, None)?;
    let (_commands, inbox) = mpsc::channel();
    trainer.run(&inbox, &mut |_| {})?;
    assert_eq!(trainer.steps_done(), 3);
    let trained = trainer.views()?.ok_or("f32 keeps them")?;
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let row = |row: usize| bits(&trained[row * trained.len() / 8..(row + 1) * trained.len() / 8]);
    let mut preview = Preview::new(&gpu, &config, &method::of(&config).views(&config), 4)?;
    let seen = preview.step(&data.train, 2)?;
    assert_eq!(seen.len(), 4);
    assert_ne!(seen, preview.step(&data.train, 1)?);
    for (i, (image, views)) in seen.iter().enumerate() {
        let alone = preview.image(&data.train, 0, *image)?.ok_or("it is read")?;
        for (v, view) in views.iter().enumerate() {
            assert_eq!(bits(&view.values), row(4 * v + i), "image {i}, view {v}");
            assert_eq!(*view, alone[v]);
        }
        assert_ne!(preview.image(&data.train, 1, *image)?.as_ref(), Some(views), "another epoch has other draws");
    }
    Ok(())
}

#[test]
fn small_crops_are_seen_beside_the_views() -> Result {
    let mut config = config(4)?;
    config.data.limit_train = 5;
    let data = data::open(&Spec::Demo, Limits::from(&config.data))?;
    let gpu = Gpu::open(None, GpuOptions { checked: true })?;
    let seen = |config: &Config| Preview::new(&gpu, config, &ViewGroup::multi_crop(config), 3)?.epoch(&data.train, 1);
    let alone = seen(&config)?;
    for assignment in ["augment.small.count=3", "augment.small.size=12", "augment.small.grayscale=1"] {
        config.set(assignment)?;
    }
    let all = seen(&config)?;
    assert_eq!((alone.len(), all.len()), (3, 3));
    for ((image, views), (same, two)) in all.iter().zip(&alone) {
        assert_eq!((image, &views[..2]), (same, &two[..]), "the two views stay as they are");
        let sizes: Vec<usize> = views.iter().map(|view| view.size).collect();
        assert_eq!(sizes, [28, 28, 12, 12, 12]);
        assert!(views.iter().all(|view| view.values.len() == 3 * view.size * view.size));
        for crop in &views[2..] {
            assert!(crop.draws.gray && f64::from(crop.draws.width * crop.draws.height) < 0.2 * 28.0 * 28.0);
            assert!(crop.values.iter().any(|value| *value != crop.values[0]));
        }
        assert_ne!(views[2].draws, views[3].draws);
        let row = view_row(&config, &data, *image, views)?.ok_or("a row")?;
        let sheet = ViewSheet { title: String::new(), subtitle: String::new(), rows: vec![row] };
        let svg = sheet.svg()?;
        assert!((1..=5).all(|view| svg.contains(&format!("View {view}"))));
    }
    // A method that has no use for them says so, before anything is computed.
    let error = TrainPlan::new(&gpu, &config, Arc::new(data)).err().map(|e| e.to_string());
    let expected = "configuration: augment.small.count = 3: method simsiam uses no small crops; set it to 0";
    assert_eq!(error.as_deref(), Some(expected));
    Ok(())
}

/// [`Crop`]'s CPU reference on a patch.
fn crop(patch: &Patch, size: usize) -> Vec<f64> {
    let row = AugmentParams::whole(patch.width, patch.height, patch.channels);
    let words = |words: Vec<u32>| Array { dims: vec![words.len()], data: words.into_iter().map(f64::from).collect() };
    let bytes = patch.pixels.chunks(4).map(|four| four.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte)));
    let op = Crop { size, float_source: false, normalize: None };
    let inputs = [words(bytes.collect()), words(row.words().to_vec())];
    op.reference(&[&inputs[0], &inputs[1]], &mut []).remove(0).data
}

#[test]
fn a_resized_patch_makes_the_same_view() {
    // Edges, fine texture and smooth colour.
    let (width, height) = (411_u32, 300_u32);
    let pixels = (0..height).flat_map(|y| {
        (0..width).flat_map(move |x| {
            let texture = if (x / 3 + y / 5) % 2 == 0 { 40 } else { 0 };
            let edge = if x + y > 350 { 150 } else { 30 };
            [(x * 255 / 411) as u8, edge + texture, (y / 2) as u8 + texture]
        })
    });
    let image = Image { width, height, channels: 3, pixels: pixels.collect(), info: PixelInfo::default() };
    let draws = ViewDraws { left: 5, top: 3, width: 399, height: 290, ..ViewDraws::evaluation(1, 1, 0) };
    // A view so large that nothing is reduced gives the patch to compare with.
    let whole = Patch::new(&image, &draws, 400);
    assert_eq!((whole.width, whole.height), (399, 290));
    for size in [20, 28, 32, 64, 96] {
        let resized = Patch::new(&image, &draws, size);
        assert_eq!([resized.width, resized.height], [size as u32; 2]);
        let (a, b) = (crop(&whole, size), crop(&resized, size));
        let differences = a.iter().zip(&b).map(|(a, b)| 255.0 * (a - b).abs());
        let mean = differences.clone().sum::<f64>() / a.len() as f64;
        let most = differences.fold(0.0, f64::max);
        println!("{size}: mean {mean:.3}, most {most:.1} of 255");
        assert!(mean < 0.4 && most < 1.5, "{size}: {mean} {most}");
    }
}

/// `tests/data/resize/generate.py` made the pictures.
#[test]
fn what_is_evaluated_is_resized_as_pil_does() -> Result {
    let picture = |name: &str| -> Result<image::RgbImage> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/resize");
        Ok(image::open(folder.join(name))?.into_rgb8())
    };
    for name in ["wide", "tall"] {
        let source = picture(&format!("{name}.png"))?;
        let (width, height) = source.dimensions();
        let set = Arc::new(Images::new(width, height, 3, source.into_raw(), None)?);
        for crop in EvalCrop::ALL {
            let views = augment::Views::Evaluation { size: 16, crop: *crop };
            let pace = augment::Pace { threads: 1, ahead: 1 };
            let batch = augment::Loader::new(set.clone(), views, 0.0, pace, 0..1).next_batch(1)?;
            let expected = picture(&format!("{name}.{crop}.png"))?.into_raw();
            assert_eq!(batch.bytes.len(), expected.len());
            let worst = batch.bytes.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst <= Some(1), "{name} {crop}: {worst:?}");
        }
    }
    Ok(())
}

#[test]
fn the_command_writes_a_picture() -> Result {
    let folder = TempDir::new()?;
    let file = folder.path().join("views.png");
    let simsiam = |arguments: &[&str], file: &Path| {
        Command::new(env!("CARGO_BIN_EXE_simsiam")).args(["views", "--out"]).arg(file).args(arguments).output()
    };
    let output = simsiam(&["--data", "demo", "--count", "2", "--epoch", "1"], &file)?;
    assert!(output.status.success(), "{output:?}");
    let picture = image::open(&file)?;
    assert!(picture.width() > 1600 && picture.height() > 800);
    // Another epoch, other draws.
    let other = folder.path().join("other.svg");
    simsiam(&["--data", "demo", "--count", "2", "--set", "augment.flip=1"], &other)?;
    let text = std::fs::read_to_string(&other)?;
    assert!(text.matches("yes").count() >= 4, "both views of both images are flipped");
    let wrong = simsiam(&["--data", "demo"], &folder.path().join("views.jpg"))?;
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    Ok(())
}
