use super::*;
use crate::config::Config;
use crate::graph::{Graph, Shape};
use crate::method::training_step;

/// A small model's table.
fn table(width: usize) -> Parameters {
    table_of(2, &[&format!("model.width={width}")])
}

/// Of a step with this many views of an image.
fn table_of(views: usize, assignments: &[&str]) -> Parameters {
    let mut config = Config::default();
    for assignment in ["model.arch=resnet_tiny", "model.blocks=[1,1]", "model.dim=6"].iter().chain(assignments) {
        config.set(assignment).unwrap();
    }
    let mut parameters = Parameters::new();
    let mut graph = Graph::new();
    let views = graph.input("views", Shape::rows([2 * views, 8, 8, 3]));
    training_step(&mut graph, &[views], 2, &config, &mut parameters).unwrap();
    parameters
}

fn example(parameters: &Parameters) -> Checkpoint {
    let weights = parameters.initialize(1);
    let momentum: Vec<Vec<f32>> =
        parameters.of(Arena::PARAMETERS).zip(1..).map(|(entry, i)| vec![i as f32; entry.shape.len()]).collect();
    let mut checkpoint = Checkpoint::new(parameters, &weights, Some(&momentum));
    checkpoint.config = Some("[run]\nseed = 1\n".to_string());
    (checkpoint.step, checkpoint.epoch) = (17, 3);
    let extra = ("kernels".to_string(), "\"a\" … b".to_string());
    checkpoint.extra.extend([extra]);
    checkpoint
}

#[test]
fn a_checkpoint_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    let parameters = table(5);
    let saved = example(&parameters);
    saved.save(&path).unwrap();
    let first = std::fs::read(&path).unwrap();
    saved.save(&path).unwrap();
    assert_eq!(first, std::fs::read(&path).unwrap(), "the same bytes");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    let mut loaded = Checkpoint::load(&path).unwrap();
    assert_eq!(loaded.weights(&parameters).unwrap(), parameters.initialize(1));
    assert_eq!(loaded.momentum(&parameters).unwrap()[1][0], 2.0);
    assert!(loaded.has_momentum());
    assert_eq!(loaded.origin, path);
    loaded.origin = PathBuf::new();
    assert_eq!(loaded, saved);
}

#[test]
fn pytorch_finds_its_names_and_layouts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    let parameters = table(5);
    let saved = example(&parameters);
    saved.save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let shape = |name: &str| file.tensor(name).map(|t| t.shape().to_vec()).unwrap();
    assert_eq!(shape("encoder.conv1.weight"), [5, 3, 3, 3]);
    assert_eq!(shape("encoder.layer2.0.downsample.0.weight"), [10, 5, 1, 1]);
    assert_eq!(shape("encoder.layer2.0.downsample.1.running_var"), [10]);
    assert_eq!(shape("encoder.fc.6.weight"), [6, 10]);
    assert_eq!(shape("encoder.fc.6.bias"), [6]);
    assert_eq!(shape("predictor.0.weight"), [1, 6]);
    assert_eq!(shape("optimizer.encoder.conv1.weight.momentum_buffer"), [5, 3, 3, 3]);
    assert!(file.tensor("optimizer.encoder.fc.6.bias.momentum_buffer").is_err(), "a frozen bias has no momentum");
    let calls = file.tensor("encoder.bn1.num_batches_tracked").unwrap();
    assert_eq!(calls.dtype(), safetensors::Dtype::I64);
    assert!(calls.shape().is_empty());
    assert_eq!(calls.data(), 34_i64.to_le_bytes());
}

#[test]
fn batch_norms_count_every_view() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    let parameters = table_of(4, &["model.width=5", "method.symmetry=asymmetric_2x"]);
    example(&parameters).save(&path).unwrap();
    let calls = |path: &Path| {
        let bytes = std::fs::read(path).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let calls = file.tensor("predictor.1.num_batches_tracked").unwrap();
        i64::from_le_bytes(calls.data().try_into().unwrap())
    };
    assert_eq!(calls(&path), 4 * 17);
    // And where a file is read and written again.
    Checkpoint::load(&path).unwrap().save(&path).unwrap();
    assert_eq!(calls(&path), 4 * 17);
}

/// The error's one line, with the folder cut off.
fn message<T>(result: Result<T, CheckpointError>, folder: &Path) -> String {
    let text = result.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(!text.contains('\n'), "{text}");
    text.replace(&format!("{}/", folder.display()), "")
}

#[test]
fn every_fault_has_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let load = |name: &str| message(Checkpoint::load(&at(name)), folder.path());
    let parameters = table(5);
    let good = example(&parameters);
    good.save(&at("good")).unwrap();
    let bytes = std::fs::read(at("good")).unwrap();

    assert_eq!(load("absent"), "checkpoint absent does not exist; give the path of a .safetensors file");
    for length in [0, 5, 8, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(at("short"), &bytes[..length]).unwrap();
        let text = load("short");
        assert!(text.starts_with("short is no complete safetensors file ("), "{text}");
    }
    std::fs::write(at("text"), "these are notes, not weights at all").unwrap();
    assert!(load("text").starts_with("text is no complete safetensors file ("));

    let edited = |from: &str, to: &str| {
        let header = String::from_utf8_lossy(&bytes[8..]).find(from).unwrap() + 8;
        let mut edited = bytes.clone();
        edited[header..header + to.len()].copy_from_slice(to.as_bytes());
        std::fs::write(at("edited"), edited).unwrap();
        load("edited")
    };
    assert_eq!(
        edited("simsiam.version\":\"1", "simsiam.version\":\"7"),
        "edited is a checkpoint of version 7, this program reads up to 1; use a newer one"
    );
    assert_eq!(
        edited("step\":\"17", "step\":\"x7"),
        "edited: metadata step = \"x7\" is no whole number below 2^63; use another checkpoint"
    );

    assert_eq!(
        edited("epoch\":\"3", "epoch\":\"2"),
        "edited: the header differs from its checksum: the file was damaged after it was written; use another checkpoint"
    );
    // A flipped bit, wherever it is, is found, and in a tensor it is named.
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    std::fs::write(at("flipped"), flipped).unwrap();
    let text = load("flipped");
    assert!(text.starts_with("flipped: tensor predictor.3.weight differs from its checksum"), "{text}");
    for place in (0..bytes.len()).step_by(131) {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << (place % 8);
        std::fs::write(at("flipped"), flipped).unwrap();
        assert!(!load("flipped").is_empty(), "byte {place}");
    }
    let mut endless = good.clone();
    endless.step = u64::MAX;
    endless.save(&at("endless")).unwrap();
    assert!(load("endless").contains("step = \"18446744073709551615\" is no whole number below 2^63"));
    let mut weights = parameters.initialize(1);
    weights[0][3] = f32::NAN;
    let dead = Checkpoint::new(&parameters, &weights, None);
    assert_eq!(dead.not_finite(), Some("encoder.conv1.weight"));
    dead.save(&at("dead")).unwrap();
    let text = message(Checkpoint::load(&at("dead")).unwrap().weights(&parameters), folder.path());
    assert!(text.starts_with("dead: tensor encoder.conv1.weight holds values that are not finite"), "{text}");

    let loaded = Checkpoint::load(&at("good")).unwrap();
    assert_eq!(
        message(loaded.weights(&table(8)), folder.path()),
        "good: tensor encoder.conv1.weight has shape [5, 3, 3, 3], the model expects [8, 3, 3, 3]; use the model settings it \
         was trained with (arch, blocks, width, stem, dim, …)"
    );
    let bare = Checkpoint::new(&parameters, &parameters.initialize(0), None);
    bare.save(&at("bare")).unwrap();
    let bare = Checkpoint::load(&at("bare")).unwrap();
    assert!(!bare.has_momentum());
    assert_eq!(
        message(bare.momentum(&parameters), folder.path()),
        "bare has no tensor optimizer.encoder.conv1.weight.momentum_buffer; it holds weights only, so a run cannot continue \
         from it"
    );
    assert!(
        message(good.save(&folder.path().join("no folder/x")), folder.path())
            .starts_with("checkpoint no folder/x cannot be written: ")
    );
}
