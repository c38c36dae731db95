//! Which values make sense: [`ranges`] looks at one key at a time, so that a file or flag can be blamed; [`relations`] at several.

use super::{Arch, Config, Problem, Schedule};

/// Keys whose value is out of range by itself.
pub(super) fn ranges(config: &Config) -> Vec<Problem> {
    let Config { data, augment, model, method, optim, run } = config;
    let mut problems = augment.problems();
    problems.extend(method.ranges());
    let mut need = |key: &'static str, good: bool, problem: &str| {
        if !good {
            problems.push((key.to_owned(), problem.to_owned()));
        }
    };

    need("data.image_size", (1..=4096).contains(&data.image_size), "the side of a view must be 1 to 4096 pixels");

    need("data.holdout", (0.0..=0.5).contains(&data.holdout), "a part must be 0 to 0.5");
    need("data.max_unreadable", (0.0..=1.0).contains(&data.max_unreadable), "a part must be 0 to 1");
    need(
        "data.white_level",
        data.white_level.is_none_or(|level| (1..=usize::from(u16::MAX)).contains(&level)),
        "white must be 1 to 65535; leave the key out for 65535",
    );
    need("data.threads", data.threads <= 1024, "use 0 (all cores but one) to 1024 threads");

    need(
        "model.blocks",
        model.blocks.len() <= 6 && model.blocks.iter().all(|n| (1..=64).contains(n)),
        "write 1 to 6 stages of 1 to 64 blocks, such as [1, 1, 1, 1]",
    );
    need("model.width", (1..=4096).contains(&model.width), "the first stage must have 1 to 4096 channels");
    need("model.projector_layers", matches!(model.projector_layers, 2 | 3), "the projector has 2 or 3 layers");
    let width = 1..=65536;
    need(
        "model.projector_hidden",
        model.projector_hidden.is_none_or(|n| width.contains(&n)),
        "a layer must be 1 to 65536 wide; leave the key out for the backbone's feature width",
    );
    need("model.dim", model.dim >= 2 && width.contains(&model.dim), "the output must be 2 to 65536 wide");
    need(
        "model.predictor_dim",
        model.predictor_dim.is_none_or(|n| width.contains(&n)),
        "a layer must be 1 to 65536 wide; leave the key out for dim / 4",
    );

    // The device computes in 32-bit floats.
    let single = |value: f64| (value as f32).is_finite();
    need(
        "optim.lr",
        single(optim.lr) && optim.lr >= 0.0,
        "the learning rate must be a finite number, 0 or more and below 3.4e38",
    );
    need(
        "optim.lars_trust",
        single(optim.lars_trust) && optim.lars_trust as f32 > 0.0,
        "the trust must be above 0, and within the range of 32-bit floats",
    );
    need("optim.momentum", (0.0..1.0).contains(&optim.momentum), "momentum must be 0 to below 1");
    need(
        "optim.weight_decay",
        single(optim.weight_decay) && optim.weight_decay >= 0.0,
        "weight decay must be a finite number, 0 or more and below 3.4e38",
    );
    need("optim.epochs", (1..=1_000_000).contains(&optim.epochs), "train for 1 to 1000000 epochs");
    need(
        "optim.batch_size",
        (2..=1 << 20).contains(&optim.batch_size),
        match optim.batch_size {
            0 | 1 => "batch normalisation needs at least 2 images; set it to 2 or more",
            _ => "a batch must have at most 1048576 images",
        },
    );

    need(
        "run.seed",
        i64::try_from(run.seed).is_ok(),
        "a seed must be below 2^63, the largest number a TOML file holds",
    );
    need("run.knn_k", run.knn_k >= 1, "at least one neighbour must vote; to turn kNN off set run.knn_every to 0");
    need(
        "run.knn_temperature",
        // exp(1 / temperature) times the number of neighbours must stay a 32-bit float.
        single(run.knn_temperature) && run.knn_temperature >= 0.015,
        "the temperature must be 0.015 or more",
    );
    problems
}

/// Keys that do not fit together.
pub(super) fn relations(config: &Config) -> Vec<Problem> {
    let Config { data, augment, model, method, optim, .. } = config;
    let mut problems = Vec::new();
    if augment.small.count > 0 && augment.small.size > data.image_size {
        let problem = format!(
            "small crops must not be larger than the views, {0} pixels; set it to {0} or less",
            data.image_size
        );
        problems.push(("augment.small.size".to_owned(), problem));
    }
    problems.extend(method.relations(config));
    if let Some(blocks) = model.arch.blocks()
        && !model.blocks.is_empty()
        && model.blocks != blocks
    {
        let problem = format!("{} has blocks {blocks:?}; write [] or use arch = \"{}\"", model.arch, Arch::ResnetTiny);
        problems.push(("model.blocks".to_owned(), problem));
    }
    if !((optim.lr * optim.batch_size as f64 / 256.0) as f32).is_finite() {
        let problem = "the rate that is used, this times batch_size / 256, must be below 3.4e38".to_owned();
        problems.push(("optim.lr".to_owned(), problem));
    }
    if optim.schedule == Schedule::Milestones && optim.milestones.is_empty() {
        let problem = "schedule milestones needs epochs at which the rate falls; write some, such as [120, 160], or set optim.schedule to step";
        problems.push(("optim.milestones".to_owned(), problem.to_owned()));
    }
    if optim.warmup_epochs >= optim.epochs && optim.warmup_epochs > 0 {
        let problem = format!("the warm-up must be shorter than the {} epochs", optim.epochs);
        problems.push(("optim.warmup_epochs".to_owned(), problem));
    }
    problems
}
