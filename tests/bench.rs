//! What `simsiam bench step` says of a step, not how fast it is.

use std::error::Error;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use simsiam::config::Config;
use simsiam::graph::{Graph, Shape};
use simsiam::method::training_step;
use simsiam::model::Parameters;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const TINY: [&str; 10] =
    ["bench", "step", "--arch", "resnet_tiny", "--dim", "32", "--image-size", "16", "--steps", "5"];

fn bench(folder: &Path, more: &[&str]) -> Result<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_simsiam"))
        .args(TINY)
        .args(more)
        .current_dir(folder)
        .env("XDG_RUNTIME_DIR", folder)
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    Ok(text)
}

fn number(value: &Value, path: &str) -> f64 {
    let found = path.split('.').fold(value, |v, key| &v[key]);
    found.as_f64().unwrap_or_else(|| panic!("`{path}` is {found} in {value}"))
}

#[test]
fn a_step_is_told_with_its_limits_profile_and_trace() -> Result {
    let folder = tempfile::tempdir()?;
    let more = ["--width", "8", "--batch-size", "16", "--json", "--profile", "--trace", "trace.json"];
    let step: Value = serde_json::from_str(&bench(folder.path(), &more)?)?;
    for path in [
        "step_seconds",
        "step_seconds_least",
        "images_per_second",
        "flops",
        "gflops_per_second",
        "share_of_peak",
        "gemm_512_gflops",
        "share_of_gemm_512",
        "ceilings.f32_gflops",
        "ceilings.copy_gb_per_second",
        "memory_bytes",
        "parameters",
        "dispatches",
        "profile.seconds",
    ] {
        let found = number(&step, path);
        assert!(found.is_finite() && found > 0.0, "{path}: {found}");
    }
    for path in ["share_of_peak", "host_share"] {
        assert!((0.0..=1.0).contains(&number(&step, path)), "{path}: {step}");
    }
    assert!(number(&step, "idle_share") >= 0.0);
    // Nothing exceeds its ceiling by more than what two measurements on a busy machine differ.
    let ceiling = number(&step, "ceilings.f32_gflops");
    assert!(number(&step, "gemm_512_gflops") < 1.5 * ceiling, "{step}");
    let rate = number(&step, "flops") / number(&step, "step_seconds") * 1e-9;
    assert!((rate / number(&step, "gflops_per_second") - 1.0).abs() < 1e-9);

    let sums: Vec<f64> = ["kernels", "layers"]
        .iter()
        .map(|table| {
            let rows = step["profile"][table].as_array().expect("a table");
            assert!(rows.len() > 5, "{table}: {rows:?}");
            rows.iter().map(|row| number(row, "seconds")).sum()
        })
        .collect();
    assert!((sums[0] / sums[1] - 1.0).abs() < 1e-9);

    let trace: Value = serde_json::from_str(&std::fs::read_to_string(folder.path().join("trace.json"))?)?;
    let events = trace["traceEvents"].as_array().expect("events");
    let complete: Vec<&Value> = events.iter().filter(|e| e["ph"] == "X").collect();
    assert_eq!(complete.len() as f64, number(&step, "dispatches"));
    let mut traced = 0.0;
    for event in &complete {
        assert!(number(event, "ts") >= 0.0 && event["name"].is_string(), "{event}");
        traced += number(event, "dur") * 1e-6;
    }
    assert!((traced / sums[0] - 1.0).abs() < 1e-6);
    // The dispatches fill the replay they were timed in.
    let filled = traced / number(&step, "profile.seconds");
    assert!((0.75..=1.001).contains(&filled), "{filled} of the replay");
    Ok(())
}

#[test]
fn several_sizes_make_a_table_that_names_what_does_not_fit() -> Result {
    let folder = tempfile::tempdir()?;
    let more = ["--width", "4,8", "--batch-size", "4,131072"];
    let text = bench(folder.path(), &more)?;
    assert!(text.contains("GFLOP/s") && text.contains("ms an image"), "{text}");
    let rows: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.len() > 2 && words[..2].iter().all(|w| w.parse::<u32>().is_ok()))
        .collect();
    let sizes: Vec<[&str; 2]> = rows.iter().map(|row| [row[0], row[1]]).collect();
    assert_eq!(sizes, [["4", "4"], ["4", "131072"], ["8", "4"], ["8", "131072"]]);
    for row in &rows {
        let refused = row[2] == "refused:";
        assert_eq!(refused, row[1] == "131072", "{text}");
        assert!(!refused || row.contains(&"tensor"), "{text}");
    }
    Ok(())
}

/// The count that rates are told by: a multiply-add is two, and the backward pass is twice the forward pass, without the gradient of
/// the images, which nobody wants.
#[test]
fn the_work_of_a_step_is_three_forward_passes() -> Result {
    let (mut config, batch, size) = (Config::default(), 3, 16);
    for setting in ["model.arch=resnet18", "model.width=8", "model.dim=32", "model.stem=cifar"] {
        config.set(setting)?;
    }
    let config = config.resolved();
    let mut graph = Graph::new();
    let views = graph.input("views", Shape::rows([2 * batch, size, size, 3]));
    training_step(&mut graph, &[views], batch, &config, &mut Parameters::new())?;
    let sum = |part: fn(&str) -> bool| -> u64 {
        let nodes = graph.nodes().iter().filter(|node| part(&node.label));
        nodes.map(|node| node.op.flops(&graph.io(node))).sum()
    };
    let watched = sum(|label| label.starts_with("watched"));
    let forward = sum(|label| !label.contains(" backward ")) - watched;
    let first = 2 * (2 * batch * size * size * 8 * 3 * 9) as u64;
    assert!(forward > 10 * first);
    assert!(watched < forward / 1000);
    assert_eq!(graph.flops(), 3 * forward - first + watched);
    Ok(())
}
