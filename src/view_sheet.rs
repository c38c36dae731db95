//! The sheet of a data set: the first images of an epoch with the views that a network is trained on.

use crate::augment::{Preview, PreviewError, Seen};
use crate::config::Config;
use crate::data::{DataError, Dataset};
use crate::gpu::Gpu;
use crate::method;
use crate::picture::{View, ViewRow, ViewSheet, reduced, rgb};

/// Of the first `count` images of an epoch, from 0, or of all where there are fewer.
pub fn view_sheet(
    gpu: &Gpu,
    config: &Config,
    dataset: &Dataset,
    epoch: u32,
    count: usize,
) -> Result<ViewSheet, PreviewError> {
    let count = count.min(dataset.train.len());
    let groups = method::of(config).views(config);
    let mut preview = Preview::new(gpu, config, &groups, count)?;
    let mut rows = Vec::new();
    for (image, views) in preview.epoch(&dataset.train, epoch)? {
        rows.extend(view_row(config, dataset, image, &views)?);
    }
    let sizes: Vec<String> = groups
        .iter()
        .enumerate()
        .map(|(i, group)| match i {
            0 => format!("views of {0} × {0} pixels", group.size),
            _ => format!("{} small crops of {1} × {1}", group.count(), group.size),
        })
        .collect();
    Ok(ViewSheet {
        title: "What the network sees".to_owned(),
        subtitle: format!("{}, seed {}, epoch {epoch}, {}", dataset.name, config.run.seed, sizes.join(", ")),
        rows,
    })
}

/// Of an image of the training set with its views.
pub fn view_row(config: &Config, dataset: &Dataset, image: u32, views: &[Seen]) -> Result<Option<ViewRow>, DataError> {
    let original = dataset.train.read(image as usize)?;
    let pixels = rgb(original.width, original.height, original.channels, &original.pixels);
    let views: Option<Vec<View>> = views.iter().map(|seen| view(seen, config)).collect();
    let (Some(pixels), Some(views)) = (pixels, views) else {
        return Ok(None); // cannot be: they are as long as they say
    };
    let class = dataset.train.labels().and_then(|labels| dataset.classes.get(*labels.get(image as usize)? as usize));
    let name = dataset.train.name(image as usize);
    Ok(Some(ViewRow {
        name: match class {
            Some(class) => format!("{name}, {class}"),
            None => name,
        },
        size: [original.width, original.height],
        original: reduced(pixels, ViewSheet::ORIGINAL_SIDE),
        views,
    }))
}

fn view(seen: &Seen, config: &Config) -> Option<View> {
    let size = u32::try_from(seen.size).ok()?;
    Some(View { pixels: rgb(size, size, 3, &seen.pixels(config))?, draws: seen.draws })
}
