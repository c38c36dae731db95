//! The name that was probably meant: by spelling, and for keys by what PyTorch, Lightning, lightly and solo-learn call the same thing.

/// Names of other programs, by the last part of the key, and the key here.
const MEANINGS: [(&[&str], &str); 22] = [
    (&["learning_rate", "base_lr", "learningrate", "step_size"], "optim.lr"),
    (&["wd", "l2", "decay"], "optim.weight_decay"),
    (&["bs", "batch", "batchsize", "train_batch_size", "per_device_train_batch_size"], "optim.batch_size"),
    (&["max_epochs", "num_epochs", "num_train_epochs", "n_epochs"], "optim.epochs"),
    (&["optimiser", "opt", "optimizer_name"], "optim.optimizer"),
    (&["scheduler", "lr_scheduler", "lr_schedule", "lr_decay_steps"], "optim.schedule"),
    (&["warmup", "warm_up", "warmup_steps"], "optim.warmup_epochs"),
    (&["fix_pred_lr", "fix_predictor_lr"], "optim.fixed_predictor_lr"),
    (&["backbone", "encoder", "architecture", "network", "net"], "model.arch"),
    (&["proj_output_dim", "output_dim", "out_dim", "feature_dim", "embedding_dim", "features_dim"], "model.dim"),
    (&["proj_hidden_dim", "hidden_dim"], "model.projector_hidden"),
    (&["pred_dim", "pred_hidden_dim"], "model.predictor_dim"),
    (&["img_size", "input_size", "crop_size", "resolution"], "data.image_size"),
    (&["dataset", "data_dir", "data_path", "train_path", "root", "path"], "data.source"),
    (&["workers", "num_workers", "n_workers"], "data.threads"),
    (&["min_scale", "rrc_scale", "scale", "random_crop_scale"], "augment.crop_scale"),
    (&["horizontal_flip", "hflip", "flip_prob", "random_flip"], "augment.flip"),
    (&["gaussian_blur", "gaussian_prob", "blur"], "augment.blur_probability"),
    (&["color_jitter", "color_jitter_prob", "cj_prob", "jitter"], "augment.jitter_probability"),
    (&["normalize", "normalization"], "augment.mean"),
    (&["num_small_crops", "num_local_crops", "local_crops_number", "nmb_crops"], "augment.small.count"),
    (&["amp", "fp16", "mixed_precision", "half", "dtype"], "run.precision"),
];

/// The one of `known` that is closest to `name`, also where only its section is missing or wrong; `None` where none is close.
pub fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let field = last(name);
    known
        .into_iter()
        .map(|known| {
            let whole = 2 * strsim::levenshtein(name, known);
            // A key in the wrong section is as near as one slip of the finger.
            let moved = 2 * strsim::levenshtein(field, last(known)) + 1;
            (whole.min(moved), known)
        })
        .min()
        .filter(|(cost, _)| *cost <= 1 + 2 * (field.chars().count() / 3).max(1))
        .map(|(_, known)| known)
}

/// How an error about an unknown `name` ends: the one that was probably meant, and all.
pub fn one_of(name: &str, known: &[&str]) -> String {
    let all = format!("choose one of {}", known.join(", "));
    match closest(name, known.iter().copied()) {
        Some(meant) => format!("did you mean {meant}? Otherwise {all}"),
        None => all,
    }
}

/// The key that does what `key` does in another program.
pub fn by_meaning(key: &str) -> Option<&'static str> {
    let field = last(key).to_lowercase().replace('-', "_");
    MEANINGS.iter().find(|(names, _)| names.contains(&field.as_str())).map(|(_, key)| *key)
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn every_meaning_is_a_key_and_no_key_has_another_meaning() {
        let keys: Vec<String> = Config::default().keys().into_iter().map(|key| key.name).collect();
        for (names, key) in MEANINGS {
            assert!(keys.iter().any(|known| known == key), "{key}");
            for name in names {
                assert!(keys.iter().all(|known| last(known) != *name), "{name}");
            }
        }
    }

    #[test]
    fn names_are_found_by_spelling_and_by_meaning() {
        assert_eq!(by_meaning("optim.learning_rate"), Some("optim.lr"));
        assert_eq!(by_meaning("Num-Workers"), Some("data.threads"));
        assert_eq!(by_meaning("optim.bach_size"), None);
        assert_eq!(closest("cifar-10", ["demo", "cifar10", "photos"]), Some("cifar10"));
        assert_eq!(closest("model.epochs", ["optim.epochs", "model.dim"]), Some("optim.epochs"));
        assert_eq!(closest("bananas", ["demo", "cifar10", "photos"]), None);
    }
}
