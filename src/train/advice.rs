//! What usually helps a run that goes wrong, fitted to its settings: nothing is advised that is already so.

use super::event::AlarmKind;
use crate::config::{BatchNormPlacement, Config, Predictor};

/// The paper's smallest crop: smaller ones share too little to be told apart from other images.
const CROP: f64 = 0.2;
/// Below so many images batch statistics are coarse (paper Table 2: 64 is the smallest that was tried).
const BATCH: usize = 64;

/// In one line, the likeliest first.
pub(super) fn advice(kind: AlarmKind, config: &Config) -> String {
    let (method, optim) = (&config.method, &config.optim);
    let mut parts: Vec<String> = Vec::new();
    let mut say = |needed: bool, text: String| {
        if needed {
            parts.push(text);
        }
    };
    let trained = method.predictor == Predictor::Mlp;
    let predictor = || "method.predictor = mlp".to_owned();
    let rate = |word: &str| {
        let used = optim.lr * optim.batch_size as f64 / 256.0;
        format!("a {word} optim.lr than {} (times {} / 256: {used:.3})", optim.lr, optim.batch_size)
    };
    let placement = method.batch_norm != BatchNormPlacement::Default;
    let batch_norm = || "method.batch_norm = default".to_owned();
    let crop = config.augment.crop_scale[0];
    let crops = || format!("larger crops than augment.crop_scale from {crop}");
    let batch = || format!("an optim.batch_size of {BATCH} or more");
    match kind {
        AlarmKind::Collapse => {
            say(!method.stop_gradient, "method.stop_gradient = true".to_owned());
            say(!trained, predictor());
            say(placement, batch_norm());
            say(trained && !optim.fixed_predictor_lr, "optim.fixed_predictor_lr = true".to_owned());
            say(true, rate("lower"));
            say(crop < CROP, crops());
            say(optim.batch_size < BATCH, batch());
        }
        AlarmKind::Stagnation => {
            say(!trained, predictor());
            say(placement, batch_norm());
            say(true, rate("higher"));
            say(crop < CROP, crops());
        }
        AlarmKind::Divergence => {
            say(placement, batch_norm());
            say(true, rate("lower"));
            say(optim.warmup_epochs == 0, "a few optim.warmup_epochs".to_owned());
            say(optim.batch_size < BATCH, batch());
        }
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_already_so_is_not_advised() {
        let mut config = Config::default();
        let of = |kind, config: &Config| advice(kind, config);
        let plain = of(AlarmKind::Collapse, &config);
        assert_eq!(plain, "a lower optim.lr than 0.05 (times 256 / 256: 0.050)");
        config.method.stop_gradient = false;
        config.method.predictor = Predictor::None;
        config.optim.batch_size = 32;
        let text = of(AlarmKind::Collapse, &config);
        let wanted = "method.stop_gradient = true; method.predictor = mlp; a lower optim.lr";
        assert!(text.starts_with(wanted) && text.ends_with("64 or more"), "{text}");
        config.method.batch_norm = BatchNormPlacement::All;
        let text = of(AlarmKind::Divergence, &config);
        assert!(text.starts_with("method.batch_norm = default; a lower"), "{text}");
        config.method.predictor = Predictor::Frozen;
        let text = of(AlarmKind::Stagnation, &config);
        assert!(text.starts_with("method.predictor = mlp"), "{text}");
    }
}
