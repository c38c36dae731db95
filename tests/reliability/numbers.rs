use super::*;

/// Bounds checks and memory filled with NaN change no bit of a program that needs neither.
#[test]
fn a_checked_run_has_the_same_bits() -> Result {
    let folder = tempfile::tempdir()?;
    let here = folder.path();
    let mut kinds = vec!["--method swav"];
    if gpu::chosen(None)?.tier >= gpu::Tier::F16 {
        kinds.push("--set run.precision=f16");
    }
    for (i, kind) in kinds.into_iter().enumerate() {
        good(here, &format!("{TINY} --out plain{i} {kind}"))?;
        good(here, &format!("{TINY} --out checked{i} --checked {kind}"))?;
        let [plain, checked] = ["plain", "checked"].map(|name| here.join(format!("{name}{i}")));
        assert!(last(&plain)? == last(&checked)?, "{kind}");
        assert_eq!(timeless(&plain)?, timeless(&checked)?, "{kind}");
    }
    let evaluated = |more: &str| good(here, &format!("eval knn --run plain0 --json {more}"));
    assert_eq!(evaluated("--checked")?, evaluated("")?);
    Ok(())
}

/// What cannot be measured has no number, and does not replace what is good.
#[test]
fn settings_that_cannot_train_are_refused_or_fail() -> Result {
    let folder = tempfile::tempdir()?;
    let here = folder.path();
    for key in ["optim.lr", "optim.weight_decay", "optim.lars_trust", "run.knn_temperature"] {
        assert!(bad(here, &format!("{TINY} --out run --set {key}=1e300"), 2)?.contains(key));
        assert!(!here.join("run").exists());
    }
    // The last step's loss is finite, what it makes of the weights is not.
    let error = bad(here, &format!("{TINY} --out f32 --epochs 1 --limit-train 64 --set optim.lr=3e38"), 2);
    let error = match error {
        Ok(_) => bad(here, &format!("{TINY} --out f32 --set optim.lr=1e38 --set optim.weight_decay=1e38"), 1)?,
        Err(_) => bad(here, &format!("{TINY} --out f32b --set optim.lr=3e38"), 1)?,
    };
    assert!(error.contains("range of numbers"), "{error}");
    // What made the first value that is not finite is named, in the metrics too.
    let (code, out, _) = simsiam(here, &format!("{TINY} --out named --set optim.lr=1e38"))?;
    let named = "step 2: encoder.bn1 batch_norm_statistics made the first value that is not finite";
    assert!(code == Some(1) && out.contains(named) && out.contains("its inputs were finite, up to "), "{out}");
    if gpu::chosen(None)?.tier < gpu::Tier::F16 {
        return Ok(());
    }
    let error = bad(here, &format!("{TINY} --out f16 --set run.precision=f16 --set optim.lr=1e6"), 1)?;
    assert!(error.contains("were skipped") && error.contains("run.precision = f32"), "{error}");
    let lines = timeless(&here.join("f16"))?;
    let failed = lines.last().and_then(|line| line["message"].as_str()).unwrap_or_default();
    assert!(failed.contains("step 8: encoder.conv1 conv2d made the first value that is not finite"), "{failed}");
    let epoch = lines.iter().find(|line| line["event"] == "epoch" && line["epoch"] == 2).ok_or("epoch 2")?;
    assert!(epoch["loss"].is_null() && epoch["output_std"].is_null() && epoch["effective_rank"].is_null(), "{epoch}");
    assert_eq!(Checkpoint::load(&here.join("f16/checkpoints/last.safetensors"))?.step, 0);
    Ok(())
}
