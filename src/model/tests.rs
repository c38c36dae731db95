use super::*;
use crate::config::Config;
use crate::graph::{Graph, Shape};
use crate::method::{TrainStep, evaluation, training_step};

fn config(assignments: &[&str]) -> Config {
    let mut config = Config::default();
    for assignment in assignments {
        config.set(assignment).unwrap();
    }
    config
}

/// The table of a backbone without heads, on images that its stem expects.
fn backbone(arch: &str) -> Parameters {
    let config = config(&[&format!("model.arch={arch}"), "model.stem=imagenet"]);
    let (mut parameters, mut graph) = (Parameters::new(), Graph::new());
    let images = graph.input("images", Shape::rows([1, 64, 64, 3]));
    evaluation(&mut graph, images, &config, &mut parameters, false).unwrap();
    parameters
}

/// The table of a training step of the smallest network.
fn small(assignments: &[&str]) -> (Parameters, TrainStep, Graph) {
    let small =
        ["model.arch=resnet_tiny", "model.blocks=[1,1]", "model.width=4", "model.dim=12", "model.predictor_dim=3"];
    let config = config(&[&small[..], assignments].concat());
    let (mut parameters, mut graph) = (Parameters::new(), Graph::new());
    let views = graph.input("views", Shape::rows([4, 8, 8, 3]));
    let step = training_step(&mut graph, &[views], 2, &config, &mut parameters).unwrap();
    (parameters, step, graph)
}

/// Names under a prefix in an arena.
fn names(parameters: &Parameters, arena: Arena, prefix: &str) -> Vec<String> {
    let entries = parameters.of(arena).filter_map(|e| e.name.strip_prefix(prefix));
    entries.map(str::to_string).collect()
}

#[test]
fn backbones_are_as_large_as_torchvisions() {
    // Without `fc`: 11689512 - 513000, 21797672 - 513000, 25557032 - 2049000, 44549160 - 2049000.
    for (arch, trained) in
        [("resnet18", 11_176_512), ("resnet34", 21_284_672), ("resnet50", 23_508_032), ("resnet101", 42_500_160)]
    {
        let parameters = backbone(arch);
        assert_eq!(parameters.trained(), trained, "{arch}");
        assert_eq!(parameters.words(Arena::FROZEN), 0);
    }
    let resnet50 = backbone("resnet50");
    let weight = resnet50.get("encoder.layer2.0.conv2.weight").unwrap();
    assert_eq!(weight.pytorch_dims(), [128, 128, 3, 3]);
    let weight = resnet50.get("encoder.layer4.0.downsample.0.weight").unwrap();
    assert_eq!(weight.pytorch_dims(), [2048, 1024, 1, 1]);
    assert!(resnet50.get("encoder.layer1.0.downsample.1.running_var").is_some());
    assert!(resnet50.get("encoder.layer1.1.downsample.0.weight").is_none());
}

#[test]
fn first_values_follow_pytorch() {
    let (parameters, ..) = small(&[]);
    let values = parameters.initialize(5);
    for (entry, values) in parameters.entries().iter().zip(values) {
        let all = |wanted: f32| values.iter().all(|&v| v == wanted);
        let name = entry.name.as_str();
        let zero_scale = name.contains(".layer") && name.ends_with("bn2.weight");
        match name.rsplit('.').next() {
            Some("running_var") => assert!(all(1.0), "{name}"),
            Some("running_mean") => assert!(all(0.0), "{name}"),
            _ if zero_scale => assert!(all(0.0), "{name}"),
            Some("weight") if entry.format == Format::Vector => assert!(all(1.0), "{name}"),
            Some("bias") if !["encoder.fc.6.bias", "predictor.3.bias"].contains(&name) => {
                assert!(all(0.0), "{name}");
            }
            _ => assert!(!all(0.0), "{name}"),
        }
    }
    let bound = |name: &str| parameters.get(name).map(|e| e.init);
    // 8 features; a hidden layer of 3.
    assert_eq!(bound("encoder.fc.6.bias"), Some(Init::Uniform(1.0 / 8_f64.sqrt())));
    assert_eq!(bound("predictor.3.weight"), Some(Init::Uniform(1.0 / 3_f64.sqrt())));
}

#[test]
fn heads_carry_the_authors_names() {
    let (parameters, step, _) = small(&["model.output_affine=false"]);
    assert_eq!(
        names(&parameters, Arena::PARAMETERS, "encoder.fc."),
        ["0.weight", "1.weight", "1.bias", "3.weight", "4.weight", "4.bias", "6.weight"]
    );
    assert_eq!(names(&parameters, Arena::FROZEN, ""), ["encoder.fc.6.bias"]);
    let predictor = ["0.weight", "1.weight", "1.bias", "3.weight", "3.bias"];
    assert_eq!(names(&parameters, Arena::PARAMETERS, "predictor."), predictor);
    let first = parameters.get("predictor.0.weight").map(|e| e.offset);
    assert_eq!(first, parameters.rate_groups().first().map(|&(end, _)| end));
    assert_eq!(step.gradients.len(), parameters.of(Arena::PARAMETERS).count());
    assert!(parameters.entries().iter().all(|e| e.offset % 64 == 0));

    let (two, ..) = small(&["model.projector_layers=2", "model.projector_hidden=20"]);
    assert_eq!(
        names(&two, Arena::PARAMETERS, "encoder.fc."),
        ["0.weight", "1.weight", "1.bias", "3.weight", "4.weight", "4.bias"]
    );
    let hidden = two.get("encoder.fc.3.weight").map(Entry::pytorch_dims);
    assert_eq!(hidden, Some(vec![12, 20]));
    assert_eq!(two.words(Arena::FROZEN), 0);
}

#[test]
fn a_layer_without_batch_norm_has_a_bias() {
    for (placement, projector, predictor) in [
        ("none", "0.weight 0.bias 3.weight 3.bias 6.weight 6.bias", "0.weight 0.bias 3.weight 3.bias"),
        (
            "hidden",
            "0.weight 1.weight 1.bias 3.weight 4.weight 4.bias 6.weight 6.bias",
            "0.weight 1.weight 1.bias 3.weight 3.bias",
        ),
        (
            "all",
            "0.weight 1.weight 1.bias 3.weight 4.weight 4.bias 6.weight 7.weight 7.bias",
            "0.weight 1.weight 1.bias 3.weight 4.weight 4.bias",
        ),
    ] {
        let (parameters, ..) = small(&[&format!("method.batch_norm={placement}")]);
        let names = |prefix| names(&parameters, Arena::PARAMETERS, prefix).join(" ");
        assert_eq!(names("encoder.fc."), projector, "{placement}");
        assert_eq!(names("predictor."), predictor, "{placement}");
    }
}

#[test]
fn a_predictor_can_be_frozen_or_left_out() {
    for predictor in ["frozen", "none"] {
        let (parameters, step, _) = small(&[&format!("method.predictor={predictor}")]);
        assert!(names(&parameters, Arena::PARAMETERS, "predictor.").is_empty());
        assert_eq!(parameters.rate_groups(), [(parameters.words(Arena::PARAMETERS), RateGroup::Schedule)]);
        let frozen = names(&parameters, Arena::FROZEN, "predictor.").len();
        assert_eq!(frozen, if predictor == "frozen" { 5 } else { 0 });
        assert_eq!(step.p == step.z, predictor == "none");
    }
}

#[test]
fn evaluation_finds_the_entries_of_training() {
    let (mut parameters, ..) = small(&[]);
    let before = parameters.entries().to_vec();
    let config = config(&["model.arch=resnet_tiny", "model.blocks=[1,1]", "model.width=4", "model.dim=12"]);
    let mut graph = Graph::new();
    let images = graph.input("images", Shape::rows([7, 8, 8, 3]));
    let built = evaluation(&mut graph, images, &config, &mut parameters, true).unwrap();
    assert_eq!(parameters.entries(), before);
    assert_eq!(graph.shape(built.features).dims(), [7, 8]);
    assert_eq!(built.z.map(|z| graph.shape(z).dims().to_vec()), Some(vec![7, 12]));
    assert!(graph.nodes().iter().all(|node| node.updates.is_empty()));
}

#[test]
fn another_model_is_refused_by_name() {
    let (mut parameters, ..) = small(&[]);
    let config = config(&["model.arch=resnet_tiny", "model.width=5"]);
    let mut graph = Graph::new();
    let images = graph.input("images", Shape::rows([7, 8, 8, 3]));
    let error = evaluation(&mut graph, images, &config, &mut parameters, false);
    assert_eq!(
        error.err().map(|e| e.to_string()),
        Some(
            "encoder.conv1.weight: parameter cannot take [3, 3, 3, 5] (parameters): it is already [3, 3, 3, 4] (parameters)"
                .to_string()
        )
    );
}

#[test]
fn presets_build_the_papers_networks() {
    // Backbone, projector, predictor, counted by hand.
    for (preset, trained) in
        [("cifar10", 11_168_832 + 5_251_072 + 2_100_224), ("imagenet", 23_508_032 + 12_591_104 + 2_100_224)]
    {
        let config = Config::preset(preset).unwrap();
        let size = config.data.image_size;
        let (mut parameters, mut graph) = (Parameters::new(), Graph::new());
        let views = graph.input("views", Shape::rows([4, size, size, 3]));
        training_step(&mut graph, &[views], 2, &config, &mut parameters).unwrap();
        assert_eq!(parameters.trained(), trained, "{preset}");
    }
}
