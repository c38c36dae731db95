use super::*;

/// Faults of the device: the run goes on from its last checkpoint where there is progress, and ends with one line where there is none.
#[test]
fn faults_of_the_device_cost_no_bit() -> Result {
    let folder = tempfile::tempdir()?;
    let (here, run) = (folder.path(), folder.path().join("run"));
    good(here, &format!("{TINY} --out whole"))?;
    let with = |fault: &str| -> Result<(Option<i32>, String, String)> {
        let _ = fs::remove_dir_all(&run);
        Ok(text(command(here, &format!("{TINY} --out run")).env("SIMSIAM_FAULT", fault).output()?))
    };
    for (fault, said) in [("lost@16", "the GPU was lost"), ("submit@16", "the GPU reported an error")] {
        let (code, out, errors) = with(fault)?;
        assert_eq!(code, Some(0), "{fault}: {out}{errors}");
        assert!(out.contains(said) && out.contains("trying that on a new device"), "{fault}: {out}");
        assert!(last(&run)? == last(&here.join("whole"))? && timeless(&run)? == timeless(&here.join("whole"))?);
    }
    for (fault, said) in [("lost@2", "error: the GPU was lost"), ("memory@1000", "error: out of GPU memory: ")] {
        let (code, out, errors) = with(fault)?;
        assert!(code == Some(1) && errors.lines().count() == 1 && errors.starts_with(said), "{fault}: {out}{errors}");
    }
    Ok(())
}
