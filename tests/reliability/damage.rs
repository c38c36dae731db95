use super::*;

#[cfg(unix)]
#[test]
fn a_checkpoint_never_runs_ahead_of_the_metrics() -> Result {
    let folder = tempfile::tempdir()?;
    let (here, run) = (folder.path(), folder.path().join("run"));
    let long = TINY.replace("--epochs 2", "--epochs 40") + " --set run.knn_every=0 --out ";
    good(here, &format!("{long}whole"))?;
    let mut child = command(here, &format!("{long}run")).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    wait_for_steps(&run, 3);
    assert!(
        Command::new("kill").args(["-INT", &child.id().to_string()]).status()?.success() && child.wait()?.success()
    );
    let step = Checkpoint::load(&run.join("checkpoints/last.safetensors"))?.step;
    assert!(step < 160, "it was too fast to be stopped");
    // A file that is larger than a checkpoint and may not grow: what a full disk is to it.
    let padded = fs::read_to_string(run.join("metrics.jsonl"))?;
    let padding = format!("{{\"padding\":\"{}\",", "x".repeat(200 << 10));
    fs::write(run.join("metrics.jsonl"), padded.replacen('{', &padding, 1))?;
    let (code, out, errors) = limited(here, "trap '' XFSZ; ulimit -f 200", "train --resume run")?;
    assert_eq!(code, Some(1), "{out}{errors}");
    assert!(errors.contains("metrics.jsonl cannot be written") && errors.contains("free some space"), "{errors}");
    assert!(out.contains("wait in memory"), "{out}");
    assert_eq!(Checkpoint::load(&run.join("checkpoints/last.safetensors"))?.step, step);
    good(here, "train --resume run")?;
    assert_eq!(timeless(&run)?, timeless(&here.join("whole"))?);
    assert!(last(&run)? == last(&here.join("whole"))?);
    Ok(())
}

/// Numbers of a run whose file goes away are written again.
#[cfg(unix)]
#[test]
fn metrics_that_are_removed_come_back() -> Result {
    let folder = tempfile::tempdir()?;
    let run = folder.path().join("run");
    let long = TINY.replace("--epochs 2", "--epochs 40") + " --set run.knn_every=0";
    let child =
        command(folder.path(), &format!("{long} --out run")).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    wait_for_steps(&run, 3);
    fs::remove_file(run.join("metrics.jsonl"))?;
    let (code, out, errors) = text(child.wait_with_output()?);
    assert!(code == Some(0) && out.contains("metrics.jsonl was removed"), "{out}{errors}");
    let steps: Vec<u64> =
        timeless(&run)?.iter().filter(|l| l["event"] == "step").filter_map(|l| l["step"].as_u64()).collect();
    assert!(steps.into_iter().eq(1..=160));
    Ok(())
}

#[test]
fn damage_is_found_and_named() -> Result {
    let folder = tempfile::tempdir()?;
    let (here, run) = (folder.path(), folder.path().join("run"));
    good(here, &format!("{TINY} --out run"))?;
    let (lines, bytes) = (timeless(&run)?, last(&run)?);
    let metrics = fs::read(run.join("metrics.jsonl"))?;

    // A byte that is no UTF-8, and what killed writes leave; other files stay.
    let mut damaged = metrics.clone();
    let second = metrics.iter().position(|&byte| byte == b'\n').ok_or("a line")? + 3;
    damaged[second] = 0xff;
    fs::write(run.join("metrics.jsonl"), damaged)?;
    for name in [".simsiam-a1.partial", "checkpoints/.simsiam-b2.partial", "mine.partial"] {
        fs::write(run.join(name), "")?;
    }
    let out = good(here, "train --resume run")?;
    assert!(out.contains("1 damaged line was dropped") && out.contains("no lines of 1 of 3 epochs"), "{out}");
    assert_eq!(timeless(&run)?.len(), lines.len() - 1);
    assert!(run.join("mine.partial").exists() && !run.join(".simsiam-a1.partial").exists());
    assert_eq!(fs::read_dir(run.join("checkpoints"))?.count(), 1);

    // A flipped bit in a weight; a step that the run does not have; values that are not finite.
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into()?) as usize;
    let with = |change: &dyn Fn(&mut serde_json::Map<String, Value>), data: &[u8]| -> Result<Vec<u8>> {
        let mut parsed: Value = serde_json::from_slice(&bytes[8..header])?;
        let metadata = parsed["__metadata__"].as_object_mut().ok_or("metadata")?;
        // As earlier versions wrote them.
        metadata.remove("simsiam.crc32").ok_or("checksums")?;
        change(metadata);
        let text = parsed.to_string();
        Ok([&(text.len() as u64).to_le_bytes(), text.as_bytes(), data].concat())
    };
    let file = run.join("checkpoints/last.safetensors");
    let mut flipped = bytes.clone();
    *flipped.last_mut().ok_or("bytes")? ^= 4;
    let first = serde_json::from_slice::<Value>(&bytes[8..header])?["encoder.conv1.weight"]["data_offsets"][0].as_u64();
    let first = first.ok_or("a place")? as usize;
    let mut dead = bytes[header..].to_vec();
    dead[first..first + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    for (contents, expected) in [
        (flipped, "tensor predictor.3.weight differs from its checksum"),
        (with(&|_| {}, &dead)?, "tensor encoder.conv1.weight holds values that are not finite"),
        (
            with(&|m| drop(m.insert("step".into(), u64::MAX.to_string().into())), &bytes[header..])?,
            "is no whole number",
        ),
        (
            with(&|m| drop(m.insert("step".into(), "9".into())), &bytes[header..])?,
            "step 9, epoch 2 of a run of 8 steps",
        ),
    ] {
        fs::write(&file, contents)?;
        let error = bad(here, "train --resume run", 1)?;
        assert!(error.contains(expected), "{error}");
        if !expected.starts_with("step") {
            assert!(bad(here, "eval knn --run run", 1)?.contains(expected));
        }
    }
    // Without checksums and with good numbers it is a checkpoint of an earlier version.
    fs::write(&file, with(&|_| {}, &bytes[header..])?)?;
    good(here, "train --resume run")?;
    Ok(())
}

/// Of the checkpoints of epochs the newest and the best stay; where the last is damaged, the newest of them continues to the same end.
#[test]
fn a_damaged_checkpoint_is_replaced_by_the_newest_good_one() -> Result {
    let folder = tempfile::tempdir()?;
    let (here, run) = (folder.path(), folder.path().join("run"));
    let settings = "--epochs 6 --set run.checkpoint_every=1 --set run.keep=2";
    good(here, &format!("{} {settings} --out run", TINY.replace("--epochs 2", "")))?;
    let (lines, bytes) = (timeless(&run)?, last(&run)?);
    let knn = |line: &Value| line["knn_top1"].as_f64().unwrap_or(0.0);
    let epochs: Vec<&Value> = lines.iter().filter(|line| line["event"] == "epoch" && line["epoch"] != 0).collect();
    let best = epochs.iter().fold(epochs[0], |best, line| if knn(line) > knn(best) { line } else { best });
    let checkpoints = || -> Result<Vec<String>> {
        let names = fs::read_dir(run.join("checkpoints"))?.map(|entry| Ok(entry?.file_name().to_string_lossy().into()));
        let mut names = names.collect::<Result<Vec<String>>>()?;
        names.sort();
        Ok(names)
    };
    let mut expected =
        [best["epoch"].as_u64().ok_or("a best epoch")?, 5, 6].map(|n| format!("epoch-{n:03}.safetensors")).to_vec();
    expected.push("last.safetensors".into());
    expected.sort();
    expected.dedup();
    assert_eq!(checkpoints()?, expected);

    let whole = |name: &str| run.join("checkpoints").join(name);
    fs::write(whole("epoch-006.safetensors"), &bytes[..bytes.len() - 1])?;
    for damaged in [Some(&bytes[..bytes.len() / 2]), None] {
        match damaged {
            Some(half) => fs::write(whole("last.safetensors"), half)?,
            None => fs::remove_file(whole("last.safetensors"))?,
        }
        let out = good(here, "train --resume run")?;
        assert!(out.contains("the run continues from") && out.contains("epoch-005.safetensors, step 20"), "{out}");
        assert!(last(&run)? == bytes && timeless(&run)? == lines);
        assert_eq!(checkpoints()?, expected);
        fs::write(whole("epoch-006.safetensors"), "")?;
    }
    // Where no good one is left, the error is that of the last.
    for name in checkpoints()? {
        fs::write(whole(&name), "")?;
    }
    assert!(bad(here, "train --resume run", 1)?.contains("last.safetensors is no complete safetensors file"));
    Ok(())
}
