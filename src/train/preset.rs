//! Where a training starts whose user has only said which data.

use crate::data::{self, DataError, Limits, Spec};

/// The preset that fits the data after `--data`. Looks at the disk.
pub fn preset_for(source: &str) -> Result<&'static str, DataError> {
    let spec: Spec = source.parse()?;
    Ok(match spec.recognise()? {
        Spec::Demo => "demo",
        Spec::Cifar10(_) | Spec::Cifar100(_) => "cifar10",
        Spec::Idx(_) => "fashion-mnist",
        // The pack knows at once how large its images are.
        Spec::Pack(_)
            if data::open_unchecked(&spec, Limits::default(), &mut |_| {})?
                .train
                .size()
                .is_some_and(|(width, height)| width.max(height) <= 32) =>
        {
            "cifar10"
        }
        Spec::Pack(_) | Spec::Parquet(_) | Spec::Images(_) | Spec::Stl10(_) | Spec::Folder(_) => "photos",
    })
}
