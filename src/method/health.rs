//! What a healthy run looks like, and what usually helps one that is not.

use serde::Serialize;

use crate::config::Config;

/// How a run can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AlarmKind {
    /// The outputs of all images become one point or a few directions.
    Collapse,
    /// Nothing is learnt.
    Stagnation,
    /// The loss leaves what was learnt.
    Divergence,
}

impl AlarmKind {
    /// As `metrics.jsonl` has it.
    pub fn name(self) -> &'static str {
        match self {
            AlarmKind::Collapse => "collapse",
            AlarmKind::Stagnation => "stagnation",
            AlarmKind::Divergence => "divergence",
        }
    }

    /// What the run has done.
    pub fn happened(self) -> &'static str {
        match self {
            AlarmKind::Collapse => "collapsed",
            AlarmKind::Stagnation => "stopped learning",
            AlarmKind::Divergence => "diverged",
        }
    }

    /// That of this name in `metrics.jsonl`.
    pub fn named(name: &str) -> Option<AlarmKind> {
        [AlarmKind::Collapse, AlarmKind::Stagnation, AlarmKind::Divergence].into_iter().find(|kind| kind.name() == name)
    }
}

/// What a healthy run of a method looks like.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// What the loss is made of, to tell losses of other scales apart: `cosine`.
    pub loss: &'static str,
    /// How far the loss can fall, from views that have nothing in common to equal ones.
    pub loss_range: f64,
    /// The loss is never below.
    pub least_loss: f64,
    /// Mean std of the channels of z/|z| of a healthy run.
    pub output_std: f64,
    /// Below this part of the effective rank before training the outputs fall into few directions.
    pub least_rank: f64,
    /// A loss that has fallen by less than this part of its range hardly moves, where it has stopped falling.
    pub moves: f64,
    /// Where the output std is below the first part of its largest and the effective rank below the second part of that before training,
    /// the outputs of all images shrink together; none where healthy runs of the method are there too.
    pub shrinks: Option<[f64; 2]>,
    /// Steps before which the loss says nothing, because state that it depends on fills first; 0 is none. Then the loss where nothing is
    /// learnt, instead of that before training.
    pub settles: Option<(u64, f64)>,
    /// An assignment that makes a healthy run collapse, for the curious.
    pub collapses_with: Option<&'static str>,
}

impl Health {
    /// Of a loss with this name, which falls from 0 to -1, and outputs with this many channels; for a method to say what differs.
    ///
    /// Of SimSiam on the preset demo (1,000 images, 90 steps) healthy runs fell to .40 to .71 of the rank before training, over ten epochs of
    /// the whole preset to .32; those without stop-gradient or predictor to .10 to .22, one with a learning rate 30 times too large to .07.
    pub fn new(loss: &'static str, channels: usize) -> Health {
        Health {
            loss,
            loss_range: 1.0,
            least_loss: -1.0,
            output_std: 1.0 / (channels as f64).sqrt(),
            least_rank: 0.25,
            moves: 0.25,
            shrinks: None,
            settles: None,
            collapses_with: None,
        }
    }
}

/// The paper's smallest crop: smaller ones share too little to be distinguished from other images.
const CROP: f64 = 0.2;
/// Below this many images batch statistics are coarse (paper Table 2: 64 is the smallest that was tried).
const BATCH: usize = 64;

/// What usually helps a run that goes wrong, fitted to its settings: nothing is advised that is already so.
#[derive(Debug)]
pub struct Advice<'a> {
    /// Of the run.
    pub config: &'a Config,
    parts: Vec<String>,
}

impl Advice<'_> {
    /// In one line, the likeliest first.
    pub fn line(kind: AlarmKind, config: &Config) -> String {
        let mut advice = Advice { config, parts: Vec::new() };
        super::of(config).advice(kind, &mut advice);
        advice.parts.join("; ")
    }

    /// The likeliest advice of such a line, where it is one setting: its key and its value.
    pub fn setting(line: &str) -> Option<(&str, &str)> {
        let (key, rest) = line.split(';').next()?.trim().split_once(" = ")?;
        let value = rest.split(',').next()?.trim();
        (key.contains('.') && !key.contains(' ') && !value.is_empty() && !value.contains(' ')).then_some((key, value))
    }

    /// Advises `text` where it is `needed`.
    pub fn when(&mut self, needed: bool, text: &str) {
        if needed {
            self.parts.push(text.to_owned());
        }
    }

    /// A `lower` or `higher` learning rate.
    pub fn rate(&mut self, word: &str) {
        let optim = &self.config.optim;
        let used = optim.lr * optim.batch_size as f64 / 256.0;
        let (rate, used) = match used < 1e6 {
            true => (format!("{}", optim.lr), format!("{used:.3}")),
            false => (format!("{:e}", optim.lr), format!("{used:e}")),
        };
        self.parts.push(format!("a {word} optim.lr than {rate} (times {} / 256: {used})", optim.batch_size));
    }

    /// Larger crops, where they are small.
    pub fn crops(&mut self) {
        let crop = self.config.augment.crop_scale[0];
        self.when(crop < CROP, &format!("larger crops than augment.crop_scale from {crop}"));
    }

    /// A larger batch, where it is small.
    pub fn batch(&mut self) {
        self.when(self.config.optim.batch_size < BATCH, &format!("an optim.batch_size of {BATCH} or more"));
    }

    /// A warm-up, where there is none.
    pub fn warmup(&mut self) {
        self.when(self.config.optim.warmup_epochs == 0, "a few optim.warmup_epochs");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_advice_can_be_a_setting() {
        let mut config = Config::preset("demo").expect("a preset");
        config.set("method.stop_gradient=false").expect("a key");
        let line = Advice::line(AlarmKind::Collapse, &config);
        assert_eq!(Advice::setting(&line), Some(("method.stop_gradient", "true")), "{line}");
        assert_eq!(
            Advice::setting("method.momentum = 0.99, with which keys go together; more"),
            Some(("method.momentum", "0.99"))
        );
        for words in
            ["", "a lower optim.lr than 1 (times 64 / 256: 0.250)", "an optim.batch_size of 64 or more; a.b = 1"]
        {
            assert_eq!(Advice::setting(words), None, "{words}");
        }
    }
}
