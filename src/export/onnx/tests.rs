//! The written model is read again and run by a plain interpreter of its few operators, in f64, against the graph's own CPU references.

use std::collections::HashMap;

use prost::Message;

use super::proto::{ModelProto, NodeProto, TensorProto};
use super::*;
use crate::graph::{Array, interpret};

type Values = HashMap<String, Array>;
type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Values around 0.5 that look like chance.
fn chance(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|i| (0.5 + 0.45 * ((i * 37 + seed * 101) as f64 * 0.618).sin()) as f32).collect()
}

/// A network whose weights and statistics are not as they begin, so that no layer could be left out without being noticed.
fn checkpoint(config: &Config) -> Result<Checkpoint> {
    let (mut graph, mut parameters) = (Graph::new(), Parameters::new());
    let size = config.data.image_size;
    let images = graph.input("image", Shape::rows([1, size, size, 3]));
    method::evaluation(&mut graph, images, config, &mut parameters, true)?;
    let weights: Vec<Vec<f32>> = parameters
        .initialize(7)
        .into_iter()
        .enumerate()
        .map(|(i, values)| {
            values
                .iter()
                .zip(chance(values.len(), i))
                .map(|(value, chance)| if *value == 0.0 || *value == 1.0 { chance } else { *value })
                .collect()
        })
        .collect();
    Ok(Checkpoint::new(&parameters, &weights, None))
}

fn int(node: &NodeProto, name: &str) -> usize {
    node.attribute.iter().find(|a| a.name == name).and_then(|a| a.i.or(a.ints.first().copied())).unwrap_or(0) as usize
}

/// Windows over `[N, C, H, W]`: the pixels that each output pixel sees, as (row, column) in the window and index into the image's plane.
fn windows(node: &NodeProto, [h, w]: [usize; 2]) -> ([usize; 2], Vec<Vec<(usize, usize)>>) {
    let (kernel, stride, padding) = (int(node, "kernel_shape"), int(node, "strides"), int(node, "pads"));
    let out = [h, w].map(|side| (side + 2 * padding - kernel) / stride + 1);
    let window = |at: usize| {
        let (row, column) = (at / out[1] * stride, at % out[1] * stride);
        (0..kernel * kernel).filter_map(move |tap| {
            let y = (row + tap / kernel).checked_sub(padding).filter(|&y| y < h)?;
            let x = (column + tap % kernel).checked_sub(padding).filter(|&x| x < w)?;
            Some((tap, y * w + x))
        })
    };
    (out, (0..out[0] * out[1]).map(|at| window(at).collect()).collect())
}

fn run(node: &NodeProto, values: &Values) -> Array {
    let inputs: Vec<&Array> = node.input.iter().map(|name| &values[name]).collect();
    let x = inputs[0];
    let (n, c) = (x.dims[0], x.dims[1]);
    let plane = x.data.len() / (n * c);
    let side = || [x.dims[2], x.dims[3]];
    let channel = |i: usize| i / plane % c;
    let each = |f: &dyn Fn(usize) -> f64| x.like((0..x.data.len()).map(f));
    let array = |dims: &[usize], data: Vec<f64>| Array { dims: dims.to_vec(), data };
    match node.op_type.as_str() {
        "Sub" => each(&|i| x.data[i] - inputs[1].data[channel(i)]),
        "Div" => each(&|i| x.data[i] / inputs[1].data[channel(i)]),
        "Add" => each(&|i| x.data[i] + inputs[1].data[i]),
        "Relu" => each(&|i| x.data[i].max(0.0)),
        "BatchNormalization" => {
            let epsilon = node.attribute[0].f.map_or(0.0, f64::from);
            let of = |input: usize, i: usize| inputs[input].data[channel(i)];
            each(&|i| (x.data[i] - of(3, i)) / (of(4, i) + epsilon).sqrt() * of(1, i) + of(2, i))
        }
        "Conv" => {
            let w = inputs[1];
            let (out, windows) = windows(node, side());
            let taps = w.dims[2] * w.dims[3];
            let mut data = Vec::new();
            for (image, o) in (0..n).flat_map(|image| (0..w.dims[0]).map(move |o| (image, o))) {
                data.extend(windows.iter().map(|window| {
                    let sum = |c_in: usize| -> f64 {
                        let product = |&(tap, at): &(usize, usize)| {
                            w.data[(o * c + c_in) * taps + tap] * x.data[(image * c + c_in) * plane + at]
                        };
                        window.iter().map(product).sum()
                    };
                    (0..c).map(sum).sum::<f64>()
                }));
            }
            array(&[n, w.dims[0], out[0], out[1]], data)
        }
        "MaxPool" => {
            let (out, windows) = windows(node, side());
            let most = |of: usize, window: &[(usize, usize)]| {
                window.iter().map(|&(_, at)| x.data[of * plane + at]).fold(f64::NEG_INFINITY, f64::max)
            };
            let data = (0..n * c).flat_map(|of| windows.iter().map(move |window| (of, window)));
            array(&[n, c, out[0], out[1]], data.map(|(of, window)| most(of, window)).collect())
        }
        "GlobalAveragePool" => array(
            &[n, c, 1, 1],
            x.data.chunks(plane).map(|plane| plane.iter().sum::<f64>() / plane.len() as f64).collect(),
        ),
        "Flatten" => array(&[n, c * plane], x.data.clone()),
        "Gemm" => {
            let w = inputs[1];
            let bias = |o: usize| inputs.get(2).map_or(0.0, |bias| bias.data[o]);
            let dot = |row: &[f64], o: usize| -> f64 { row.iter().zip(&w.data[o * c..]).map(|(x, w)| x * w).sum() };
            let rows = x.data.chunks(c).flat_map(|row| (0..w.dims[0]).map(move |o| (row, o)));
            array(&[n, w.dims[0]], rows.map(|(row, o)| dot(row, o) + bias(o)).collect())
        }
        other => panic!("{other} is not written today"),
    }
}

/// The outputs of a model for images `[N, 3, S, S]`.
fn outputs(model: &ModelProto, image: Array) -> Result<Vec<Array>> {
    let graph = model.graph.as_ref().ok_or("no graph")?;
    let mut values = Values::from([(graph.input[0].name.clone(), image)]);
    for TensorProto { name, dims, raw_data, .. } in &graph.initializer {
        let dims: Vec<usize> = dims.iter().map(|&dim| dim as usize).collect();
        let array = Array::from_f32(&dims, &bytemuck::pod_collect_to_vec::<u8, f32>(raw_data));
        assert!(values.insert(name.clone(), array).is_none(), "{name} is there twice");
    }
    for node in &graph.node {
        let result = run(node, &values);
        assert!(values.insert(node.output[0].clone(), result).is_none(), "{} is there twice", node.output[0]);
    }
    Ok(graph.output.iter().map(|output| values[&output.name].clone()).collect())
}

#[test]
fn a_model_computes_what_the_network_does() -> Result {
    for (preset, settings, projector, normalize) in [
        ("simsiam", &["model.arch=resnet18", "model.stem=imagenet", "model.blocks=[1,2]"][..], false, true),
        ("simsiam", &["model.arch=resnet50", "model.blocks=[1,1]", "model.output_affine=false"], true, true),
        ("mocov2", &["model.blocks=[1]"], true, false),
    ] {
        let mut config = Config::preset_for("demo", preset)?;
        for setting in
            settings.iter().chain(&["model.width=5", "data.image_size=12", "model.dim=6", "augment.std=[0.2,0.3,0.4]"])
        {
            config.set(setting)?;
        }
        let checkpoint = checkpoint(&config)?;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("model.onnx");
        let export = OnnxExport { config: &config, checkpoint: &checkpoint, projector, normalize };
        export.write(&path)?;
        let model = ModelProto::decode(&std::fs::read(&path)?[..])?;

        // Two images, of values 0 to 1: the network gets them normalised and with its channels last.
        let image = Array::from_f32(&[2, 3, 12, 12], &chance(2 * 3 * 144, 3));
        let (mut graph, mut parameters) = (Graph::new(), Parameters::new());
        let images = graph.input("image", Shape::rows([2, 12, 12, 3]));
        let network = method::evaluation(&mut graph, images, &config, &mut parameters, projector)?;
        let mut given = HashMap::new();
        let of = |i: usize| {
            let (row, channel) = (i / 3, i % 3);
            let value = image.data[(row / 144 * 3 + channel) * 144 + row % 144];
            if normalize { (value - config.augment.mean[channel]) / config.augment.std[channel] } else { value }
        };
        given.insert(images, Array { dims: vec![2, 12, 12, 3], data: (0..image.data.len()).map(of).collect() });
        let weights = checkpoint.weights(&parameters)?;
        for (tensor, info) in graph.tensors() {
            let entry = parameters.entries().iter().zip(&weights).find(|(entry, _)| entry.name == info.name);
            given.extend(entry.map(|(entry, values)| (tensor, Array::from_f32(entry.shape.dims(), values))));
        }
        let expected = interpret(&graph, &given);
        let outputs = outputs(&model, image.clone())?;
        assert_eq!(outputs.len(), 1 + usize::from(projector));
        for (ours, theirs) in [Some(network.features), network.z].into_iter().flatten().zip(&outputs) {
            let expected = &expected[&ours];
            // Of all zeros anything would be near.
            assert!(expected.data.iter().map(|v| v * v).sum::<f64>() > 0.01, "{preset}");
            assert_eq!(theirs.dims, expected.dims);
            let error = theirs.relative_error(expected);
            assert!(error < 1e-5, "{preset}: {error:.1e}");
        }
        let metadata: HashMap<_, _> = model.metadata_props.iter().map(|p| (p.key.as_str(), p.value.as_str())).collect();
        assert_eq!(
            (metadata["image_size"], metadata["normalization"]),
            ("12", if normalize { "inside" } else { "outside" })
        );
    }
    Ok(())
}
