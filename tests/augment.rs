//! Augmentations and the kNN vote against PyTorch and torchvision: `tests/reference/ops` holds float64 results of float32 inputs.

mod common;

use std::collections::HashMap;

use common::gpu;
use safetensors::SafeTensors;
use simsiam::augment::{Source, ViewDraws, ViewOptions, draws, table_rows, views};
use simsiam::config::AugmentConfig;
use simsiam::gpu::Gpu;
use simsiam::graph::{Array, Graph, Layout, Op, Program, Shape, Store, interpret};
use simsiam::ops::{AugmentParams, ColorJitter, Crop, JitterParams, KnnVote, Normalize, Solarize};

/// A file of the reference: dimensions and values by name.
fn reference(name: &str) -> HashMap<String, (Vec<usize>, Vec<f32>)> {
    let path = format!("{}/tests/reference/ops/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(&path).expect(&path);
    let file = SafeTensors::deserialize(&bytes).expect(&path);
    file.iter()
        .map(|(name, view)| {
            let values = match view.dtype() {
                safetensors::Dtype::F32 => bytemuck::pod_collect_to_vec(view.data()),
                safetensors::Dtype::I64 => {
                    let words: Vec<i64> = bytemuck::pod_collect_to_vec(view.data());
                    words.into_iter().map(|v| v as f32).collect()
                }
                other => panic!("{name}: {other:?}"),
            };
            (name.to_string(), (view.shape().to_vec(), values))
        })
        .collect()
}

/// [3, H, W] to [1, H, W, 3].
fn image((dims, values): &(Vec<usize>, Vec<f32>)) -> Array {
    let &[channels, height, width] = dims.as_slice() else {
        panic!("{dims:?} is no image");
    };
    let pixels = height * width;
    let values: Vec<f32> = (0..pixels * channels).map(|i| values[i % channels * pixels + i / channels]).collect();
    Array::from_f32(&[1, height, width, channels], &values)
}

/// What the kernel and its CPU reference make of these inputs.
fn both(gpu: &Gpu, op: impl Op + 'static, inputs: &[(Shape, Array)]) -> [Array; 2] {
    let mut graph = Graph::new();
    let mut given = HashMap::new();
    let tensors: Vec<_> = inputs
        .iter()
        .map(|(shape, array)| {
            let tensor = graph.input("input", shape.clone());
            given.insert(tensor, array.clone());
            tensor
        })
        .collect();
    let output = graph.add_one(op, &tensors).expect("shapes");
    graph.keep(output);
    let mut program = Program::compile(&graph, &mut Store::new(gpu)).expect("a program");
    for (&tensor, array) in &given {
        program.write_array(tensor, array);
    }
    program.run(None).expect("a run");
    let got = program.read_array(output).expect("a result");
    [got, interpret(&graph, &given)[&output].clone()]
}

fn words(words: &[u32]) -> (Shape, Array) {
    let shape = Shape::words(words.len());
    assert_eq!(shape.layout(), Layout::Words);
    let array = Array { dims: vec![words.len()], data: words.iter().map(|&w| f64::from(w)).collect() };
    (shape, array)
}

fn rows(array: &Array) -> (Shape, Array) {
    (Shape::rows(array.dims.clone()), array.clone())
}

fn assert_close(what: &str, results: &[Array; 2], expected: &Array, tolerance: f64) {
    for (side, got) in ["kernel", "CPU reference"].iter().zip(results) {
        assert_eq!(got.dims, expected.dims, "{what}, {side}");
        let worst = got
            .data
            .iter()
            .zip(&expected.data)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, |worst: f64, e| if e.is_nan() { f64::INFINITY } else { worst.max(e) });
        println!("{what}, {side}: {worst:.1e}");
        assert!(worst <= tolerance, "{what}, {side}: {worst:.1e}");
    }
}

/// The whole of an image of that size, unchanged.
fn plain(width: usize, height: usize) -> AugmentParams {
    AugmentParams::whole(width as u32, height as u32, 3)
}

const CIFAR: Normalize = Normalize { mean: [0.4914, 0.4822, 0.4465], std: [0.2023, 0.1994, 0.2010] };

#[test]
fn crops_match_torchvision() {
    let gpu = gpu();
    let file = reference("augment");
    let part = |row: AugmentParams, top, left, crop_height, crop_width| AugmentParams {
        top,
        left,
        crop_height,
        crop_width,
        ..row
    };
    let flipped = AugmentParams { flip: true, ..plain(32, 32) };
    let cases = [
        ("crop_down", "image", part(plain(48, 40), 3, 5, 33, 41), 16),
        ("crop_up", "small", part(plain(32, 32), 4, 6, 13, 17), 32),
        ("hflip", "small", flipped, 32),
        ("normalized", "small", plain(32, 32), 32),
    ];
    for (name, source, row, size) in cases {
        // The reference's images are random floats, not bytes.
        let bits: Vec<u32> = image(&file[source]).to_f32().into_iter().map(f32::to_bits).collect();
        let op = Crop { size, float_source: true, normalize: (name == "normalized").then_some(CIFAR) };
        let results = both(&gpu, op, &[words(&bits), words(&row.words())]);
        assert_close(name, &results, &image(&file[name]), 1e-5);
    }
}

#[test]
fn bytes_are_read_as_the_same_picture_in_floats() {
    let gpu = gpu();
    let (width, height) = (37, 23);
    let bytes: Vec<u8> = (0..width * height * 3).map(|i: usize| (i * i % 251) as u8).collect();
    let floats: Vec<u32> = bytes.iter().map(|&b| (f32::from(b) / 255.0).to_bits()).collect();
    let row = AugmentParams { top: 2, left: 1, crop_height: 20, crop_width: 35, ..plain(width, height) };
    for offset in 0..4 {
        let mut packed = vec![77; offset];
        packed.extend(&bytes);
        packed.resize(packed.len().next_multiple_of(4), 99);
        let packed: Vec<u32> = bytemuck::pod_collect_to_vec(&packed);
        let crop = |float_source| Crop { size: 16, float_source, normalize: None };
        let at = AugmentParams { offset: offset as u32, ..row };
        let [expected, _] = both(&gpu, crop(true), &[words(&floats), words(&row.words())]);
        let results = both(&gpu, crop(false), &[words(&packed), words(&at.words())]);
        assert_close(&format!("offset {offset}"), &results, &expected, 1e-6);
    }
}

#[test]
fn colors_match_torchvision() {
    let gpu = gpu();
    let file = reference("augment");
    let row = |factors: [f32; 4]| AugmentParams {
        jitter: Some(JitterParams { factors, order: [0, 1, 2, 3] }),
        ..plain(32, 32)
    };
    let gray = AugmentParams { gray: true, ..plain(32, 32) };
    let cases = [
        ("brightness_1.3", row([1.3, 1.0, 1.0, 0.0]), 1e-5),
        ("contrast_0.7", row([1.0, 0.7, 1.0, 0.0]), 1e-5),
        ("saturation_1.4", row([1.0, 1.0, 1.4, 0.0]), 1e-5),
        ("hue_-0.08", row([1.0, 1.0, 1.0, -0.08]), 1e-5),
        ("hue_0.1", row([1.0, 1.0, 1.0, 0.1]), 1e-5),
        ("jitter_bcsh", row([1.2, 0.8, 1.3, 0.05]), 1e-5),
        ("grayscale", gray, 1e-5),
        ("normalized", plain(32, 32), 1e-5),
    ];
    for (name, row, tolerance) in cases {
        let op = ColorJitter { normalize: (name == "normalized").then_some(CIFAR) };
        let inputs = [rows(&image(&file["small"])), words(&row.words())];
        assert_close(name, &both(&gpu, op, &inputs), &image(&file[name]), tolerance);
    }
}

/// `tests/data/blur/generate.py` made the pictures. What the views are made by is held against them: crop, then blur.
#[test]
fn blurs_match_pil() {
    let gpu = gpu();
    for size in [32_usize, 96, 224] {
        let path = format!("{}/tests/data/blur/{size}.png", env!("CARGO_MANIFEST_DIR"));
        let pictures = image::open(&path).expect(&path).into_luma8();
        let picture =
            |number: u32| image::imageops::crop_imm(&pictures, number * size as u32, 0, size as u32, size as u32);
        let picture = |number: u32| picture(number).to_image().into_raw();
        let sigmas = [0.1, 0.5, 1.0, 2.0];
        let draw =
            |&sigma: &f32| ViewDraws { blur_sigma: Some(sigma), ..ViewDraws::evaluation(size as u32, size as u32, 0) };
        let whole = Source { offset: 0, width: size as u32, height: size as u32, channels: 1 };
        let table = table_rows(&sigmas.iter().map(draw).collect::<Vec<_>>(), |_| whole);
        let plain = Normalize { mean: [0.0; 3], std: [1.0; 3] };
        let options = ViewOptions { normalize: plain, color: false, blur: true, solarize: false };
        let bytes = bytemuck::pod_collect_to_vec::<u8, u32>(&picture(0));
        for (side, views) in
            ["kernel", "CPU reference"].iter().zip(made(&gpu, [words(&bytes), words(&table)], size, &options))
        {
            for (number, view) in (1..).zip(views.rows().collect::<Vec<_>>().chunks(size * size)) {
                let expected = picture(number);
                let error = |(pixel, byte): (&&[f64], &u8)| (255.0 * pixel[0] - f64::from(*byte)).abs();
                let worst = view.iter().zip(&expected).map(error).fold(0.0, f64::max);
                assert!(worst < 0.01, "{size} pixels, sigma {}, {side}: {worst}", sigmas[number as usize - 1]);
                assert!(number < 2 || picture(number) != picture(0));
            }
        }
    }
}

#[test]
fn solarize_matches_torchvision() {
    let gpu = gpu();
    let row = AugmentParams { solarize: true, ..plain(16, 16) };
    // torchvision's tensor form, `torch.where(img >= threshold, bound - img, img)`, written out.
    let small = image(&reference("augment")["small"]);
    let solarized = |v: &f64| if *v >= 128.0 / 255.0 { 1.0 - v } else { *v };
    let expected = Array { dims: small.dims.clone(), data: small.data.iter().map(solarized).collect() };
    assert_ne!(expected.data, small.data);
    let results = both(&gpu, Solarize { normalize: None }, &[rows(&small), words(&row.words())]);
    assert_close("solarize", &results, &expected, 1e-6);
    // And PIL's of every byte, as the crop unpacks it.
    let bytes: Vec<u8> = (0..=255).collect();
    let crop = Crop { size: 16, float_source: false, normalize: None };
    let gray = AugmentParams { channels: 1, ..row };
    let [ramp, _] = both(&gpu, crop, &[words(&bytemuck::pod_collect_to_vec::<u8, u32>(&bytes)), words(&gray.words())]);
    let expected = bytes.iter().flat_map(|&b| [if b < 128 { b } else { 255 - b }; 3]);
    let expected = Array { dims: ramp.dims.clone(), data: expected.map(|b| f64::from(b) / 255.0).collect() };
    let results = both(&gpu, Solarize { normalize: None }, &[rows(&ramp), words(&row.words())]);
    assert_close("solarize of bytes", &results, &expected, 1e-6);
}

#[test]
fn knn_votes_match_pytorch() {
    let gpu = gpu();
    let file = reference("knn");
    let array = |name: &str| {
        let (dims, values) = &file[name];
        Array::from_f32(dims, values)
    };
    let (bank, query) = (array("bank"), array("query"));
    let mut similarities = Array::zeros(&[query.dims[0], bank.dims[0]]);
    for (row, q) in similarities.data.chunks_exact_mut(bank.dims[0]).zip(query.rows()) {
        for (similarity, b) in row.iter_mut().zip(bank.rows()) {
            *similarity = q.iter().zip(b).map(|(q, b)| q * b).sum();
        }
    }
    let op = KnnVote { classes: 7, k: 50, temperature: 0.1, bank: bank.dims[0] };
    let results = both(&gpu, op, &[rows(&similarities), rows(&array("labels"))]);
    for votes in &results {
        assert!(votes.relative_error(&array("votes")) <= 1e-5);
        let predicted: Vec<f64> = votes
            .rows()
            .map(|row| (0..7).fold(0, |best, c| if row[c] > row[best] { c } else { best }) as f64)
            .collect();
        assert_eq!(predicted, array("predicted").data);
    }
}

/// Gray images of 28x28 and colour images of 30x20, one behind the other, 1800 bytes from one to the next.
fn source(draw: &ViewDraws) -> Source {
    let gray = draw.image.is_multiple_of(2);
    Source {
        offset: draw.image * 1800,
        width: if gray { 28 } else { 30 },
        height: if gray { 28 } else { 20 },
        channels: if gray { 1 } else { 3 },
    }
}

/// Views of the images of [`source`], whose byte i is i * i mod 253: what the device makes of them, and the CPU.
fn make_views(gpu: &Gpu, draws: &[ViewDraws], size: usize, options: &ViewOptions) -> [Array; 2] {
    let images = draws.iter().map(|d| d.image + 1).max().unwrap_or(0) as usize;
    let bytes: Vec<u8> = (0..images * 1800).map(|i| (i * i % 253) as u8).collect();
    made(
        gpu,
        [words(&bytemuck::pod_collect_to_vec::<u8, u32>(&bytes)), words(&table_rows(draws, source))],
        size,
        options,
    )
}

/// Views of these bytes by this table.
fn made(gpu: &Gpu, inputs: [(Shape, Array); 2], size: usize, options: &ViewOptions) -> [Array; 2] {
    let mut graph = Graph::new();
    let tensors = inputs.each_ref().map(|(shape, _)| graph.input("input", shape.clone()));
    let output = views(&mut graph, tensors[0], tensors[1], size, options).expect("a graph");
    graph.keep(output);
    let mut program = Program::compile(&graph, &mut Store::new(gpu)).expect("a program");
    let given: HashMap<_, _> = tensors.into_iter().zip(inputs.map(|i| i.1)).collect();
    for (&tensor, array) in &given {
        program.write_array(tensor, array);
    }
    program.run(None).expect("a run");
    let got = program.read_array(output).expect("a result");
    [got, interpret(&graph, &given)[&output].clone()]
}

#[test]
fn drawn_views_of_mixed_images_match_the_references() {
    let gpu = gpu();
    let config = AugmentConfig { blur_probability: 0.5, solarize: 0.5, ..AugmentConfig::default() };
    let draws: Vec<ViewDraws> = (0..40)
        .map(|image| {
            let at = source(&ViewDraws::evaluation(1, 1, image));
            draws::draw(&config, at.width, at.height, 7, 0, image, 1)
        })
        .collect();
    let [got, expected] = make_views(&gpu, &draws, 32, &ViewOptions::training(&config));
    assert_eq!(got.dims, [40, 32, 32, 3]);
    // Normalised values go to about 3. What lies between two bytes may be rounded to either before it is blurred.
    let views = got.data.chunks(32 * 32 * 3).zip(expected.data.chunks(32 * 32 * 3)).zip(&draws);
    for ((got, expected), draw) in views {
        let errors = got.iter().zip(expected).map(|(a, b)| (a - b).abs());
        let (most, often) = if draw.blur_sigma.is_some() { (0.05, 5e-3) } else { (5e-5, 0.0) };
        let far = errors.clone().filter(|error| *error > 5e-5).count() as f64 / got.len() as f64;
        let worst = errors.fold(0.0, f64::max);
        assert!(worst <= most && far <= often, "{draw}: {worst} {far}");
    }
}

#[test]
fn an_evaluation_view_of_the_same_size_is_the_normalised_image() {
    let gpu = gpu();
    let config = AugmentConfig::default();
    let results = make_views(&gpu, &[ViewDraws::evaluation(28, 28, 0)], 28, &ViewOptions::evaluation(&config));
    let values = (0..28 * 28)
        .flat_map(|i| [0, 1, 2].map(|c| (i, c)))
        .map(|(i, c)| ((i * i % 253) as f64 / 255.0 - config.mean[c]) / config.std[c])
        .collect();
    let expected = Array { dims: vec![1, 28, 28, 3], data: values };
    assert_close("evaluation", &results, &expected, 1e-5);
}
