//! The views of a batch or of one image, made beside the training by the same draws and kernels, so to the same bits.

use super::resource_cache::ResourceCache;
use super::worker::{Wake, Worker};
use crate::augment::Preview;
use crate::config::Config;
use crate::method;
use crate::picture::ViewRow;
use crate::view_sheet::view_row;

/// Which views.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum Sight {
    /// The first images of the batch of a step, from 0.
    Batch { step: u64, count: usize },
    /// One image, as an epoch, from 0, sees it.
    Image { epoch: u32, image: u32 },
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::app) struct Question {
    pub config: Config,
    pub device: Option<String>,
    pub sight: Sight,
}

/// Images with their views.
pub(in crate::app) struct Seen {
    pub rows: Vec<ViewRow>,
    /// Images that there are to choose from.
    pub images: usize,
}

/// The question with its answer, or why there is none.
pub(in crate::app) type Answer = (Question, Result<Seen, String>);

/// The thread that looks.
pub(in crate::app) fn worker(resources: ResourceCache, wake: Wake) -> Worker<Question, Answer> {
    let mut kept: Option<(Config, usize, Preview)> = None;
    Worker::new("views", wake, move |question: Question, stale| {
        // While a slider is dragged only its last position counts.
        if stale() {
            return None;
        }
        let seen = look(&resources, &question, &mut kept).map_err(|e| format!("{e:#}"));
        Some((question, seen))
    })
}

fn look(
    resources: &ResourceCache,
    question: &Question,
    kept: &mut Option<(Config, usize, Preview)>,
) -> anyhow::Result<Seen> {
    let Question { config, device, sight } = question;
    config.validate()?;
    method::check(config)?;
    let dataset = resources.dataset(config)?;
    let set = &dataset.train;
    let batch = config.optim.batch_size.min(set.len());
    // A batch of more images than there are cannot be trained on; what there is can be looked at.
    let mut config = config.clone();
    config.optim.batch_size = batch.max(2);
    let config = &config;
    let wanted = match sight {
        Sight::Batch { count, .. } => (*count).clamp(1, batch.max(1)),
        Sight::Image { .. } => 1,
    };
    let fits = |(known, images, _): &(Config, usize, Preview)| known == config && *images == wanted;
    let mut preview = match kept.take().filter(fits) {
        Some((_, _, preview)) => preview,
        None => Preview::new(&resources.gpu(device.as_deref())?, config, &method::of(config).views(config), wanted)?,
    };
    let seen = match *sight {
        Sight::Batch { step, .. } => preview.step(set, step)?,
        Sight::Image { epoch, image } => {
            let views = preview.image(set, epoch, image)?;
            views.map(|views| (image, views)).into_iter().collect()
        }
    };
    let mut rows = Vec::new();
    for (image, views) in seen {
        rows.extend(view_row(config, &dataset, image, &views)?);
    }
    *kept = Some((config.clone(), wanted, preview));
    Ok(Seen { rows, images: set.len() })
}
