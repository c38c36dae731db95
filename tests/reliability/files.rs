use std::fs::File;
use std::io::Write;

use super::*;

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_refused_at_once() -> Result {
    let folder = tempfile::tempdir()?;
    let (here, run) = (folder.path(), folder.path().join("run"));
    good(here, &format!("{TINY} --out run"))?;
    for name in ["config.toml", "metrics.jsonl", "kernels.json", "checkpoints/last.safetensors"] {
        let kept = fs::read(run.join(name))?;
        fs::remove_file(run.join(name))?;
        assert!(Command::new("mkfifo").arg(run.join(name)).status()?.success());
        let (code, out, errors) = simsiam(here, "train --resume run")?;
        let text = out + &errors;
        assert!(text.contains("it is a pipe, socket or device, not a regular file"), "{name}: {text}");
        // Kernels that cannot be read are no reason not to train.
        assert_eq!(code, Some(i32::from(name != "kernels.json")), "{name}: {text}");
        fs::remove_file(run.join(name))?;
        fs::write(run.join(name), kept)?;
    }
    assert!(bad(here, "train --config /dev/zero", 2)?.contains("not a regular file"));
    assert!(bad(here, "eval knn --run run --checkpoint /dev/zero", 1)?.contains("not a regular file"));
    Ok(())
}

#[cfg(unix)]
#[test]
fn output_is_clean_and_not_lost() -> Result {
    let folder = tempfile::tempdir()?;
    let here = folder.path();
    let hostile = "a\u{1b}]0;title\u{7}\u{1b}[2J\nerror: forged";
    let outputs = [
        command(here, "").args(TINY.split(' ')).args(["--out", hostile]).output()?,
        command(here, "eval knn --run").arg(hostile).output()?,
        command(here, "train --config").arg(hostile).output()?,
        command(here, "train --set").arg(format!("optim.{hostile}=1")).output()?,
        command(here, "train --data").arg(hostile).output()?,
    ];
    for output in outputs {
        let (_, out, errors) = text(output);
        let all = out + &errors;
        assert!(!all.contains(['\u{1b}', '\u{7}']) && !all.contains("\nerror: forged"), "{all:?}");
    }
    // Results that cannot be written are an error, in whatever form; a reader that has seen enough is none.
    for arguments in ["devices --json", "devices", "data demo"] {
        let full = command(here, arguments).stdout(fs::OpenOptions::new().write(true).open("/dev/full")?).output()?;
        let (code, _, errors) = text(full);
        assert!(code == Some(1) && errors.contains("the output cannot be written"), "{arguments}: {code:?} {errors}");
    }
    let mut child = command(here, "devices").stdout(Stdio::piped()).spawn()?;
    drop(child.stdout.take());
    assert!(child.wait()?.success());
    Ok(())
}

#[cfg(target_os = "linux")]
#[test]
fn advice_fits_the_fault() -> Result {
    let folder = tempfile::tempdir()?;
    let here = folder.path();
    fs::write(here.join("file"), "")?;
    let error = bad(here, &format!("{TINY} --out file"), 1)?;
    assert!(error.contains("choose another folder") && !error.contains("free some space"), "{error}");
    // More images than there is memory, in files that are all holes. (Where a driver gets too little, it may crash by itself.)
    fs::create_dir(here.join("images"))?;
    for (part, count) in [("train", 4_000_000u32), ("t10k", 100)] {
        let write = |kind: &str, head: &[u32], bytes: u64| -> Result {
            let mut file = File::create(here.join(format!("images/{part}-{kind}-ubyte")))?;
            let head: Vec<u8> = head.iter().flat_map(|word| word.to_be_bytes()).collect();
            file.write_all(&head)?;
            Ok(file.set_len(head.len() as u64 + bytes)?)
        };
        write("images-idx3", &[0x803, count, 28, 28], u64::from(count) * 28 * 28)?;
        write("labels-idx1", &[0x801, count], u64::from(count))?;
    }
    let (code, out, errors) = limited(here, "ulimit -v 2000000", "train --data idx:images --out run")?;
    let line = "error: the system gives this program no more memory (3136000000 bytes were asked for); ";
    assert!(code == Some(1) && errors.starts_with(line) && errors.lines().count() == 1, "{code:?} {out}{errors}");
    assert!(errors.contains("data.limit_train"), "{errors}");
    Ok(())
}
