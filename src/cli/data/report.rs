//! A survey as lines for people, and as one JSON object for programs.

use serde_json::{Value, json};
use simsiam::augment::{Patch, ViewGroup};
use simsiam::config::{Background, Config};
use simsiam::data::survey::{Class, SetSurvey, Sizes, Survey};
use simsiam::data::{Dataset, Decoding, dark};
use simsiam::{eval, method, train};

use super::quoted;
use crate::cli::devices::size;
use crate::cli::say;
use crate::cli::settings::Configured;
use simsiam::format::count;

/// So many classes are listed one by one; of more than that, the first [`FIRST`].
const LISTED: usize = 24;
const FIRST: usize = 10;
/// Columns of a class name.
const NAMES: usize = 40;

/// What is said of a data set.
pub struct Report<'a> {
    data: &'a Dataset,
    /// Kind and place.
    recognised: &'a str,
    survey: &'a Survey,
    config: &'a Config,
    /// Where the settings come from.
    origin: &'a str,
}

impl<'a> Report<'a> {
    /// `recognised` is the [`Spec`](simsiam::data::Spec) with its kind.
    pub fn new(data: &'a Dataset, recognised: &'a str, survey: &'a Survey, configured: &'a Configured) -> Report<'a> {
        Report { data, recognised, survey, config: &configured.config, origin: &configured.origin }
    }

    /// Kind of the data, and its folder where it has one.
    fn kind(&self) -> (&str, Option<&str>) {
        match self.recognised.split_once(':') {
            Some((kind, place)) => (kind, Some(place)),
            None => (self.recognised, None),
        }
    }

    /// `5,000 training and 1,000 test images in 10 classes, all 28 × 28 pixels, gray`, for a picture.
    pub fn summary(&self) -> String {
        format!("{}, {}", self.splits(), looks(&self.survey.train, " × "))
    }

    fn splits(&self) -> String {
        let mut parts: Vec<String> = self
            .survey
            .parts()
            .filter(|(_, part)| part.images > 0)
            .map(|(name, part)| format!("{} {name}", count(part.images)))
            .collect();
        let last = parts.pop().unwrap_or_default();
        let parts = match parts.is_empty() {
            true => last,
            false => format!("{} and {last}", parts.join(", ")),
        };
        match self.survey.classes.len() {
            0 => format!("{parts} images without labels"),
            n => format!("{parts} images in {} classes", count(n)),
        }
    }

    fn patches(&self) -> u64 {
        patches(self.config, self.data.train.size())
    }

    /// Why `simsiam train --data SPEC` would end before its first epoch does, with the fix; `None` where it would not.
    fn refusal(&self) -> Option<String> {
        let most = self.config.data.max_unreadable;
        for (name, part) in self.survey.parts() {
            if part.refused(most) {
                let fix = match part.readable() {
                    0 => "none can be".to_owned(),
                    _ => {
                        // A thousandth more than there are, so that rounding refuses none.
                        let share = (part.unreadable * 1000 / part.images + 1).min(1000);
                        let share = share as f64 / 1000.0;
                        format!("remove them, or allow more with --set data.max_unreadable={share}")
                    }
                };
                return Some(format!(
                    "{} of {} {name} images cannot be read, more than {} %: {fix}",
                    count(part.unreadable),
                    count(part.images),
                    100.0 * most
                ));
            }
        }
        let parts: Vec<&SetSurvey> = self.survey.parts().map(|(_, part)| part).collect();
        let sum = |of: fn(&SetSurvey) -> usize| parts.iter().map(|part| of(part)).sum::<usize>();
        let peak = parts.iter().map(|part| part.peak).max().unwrap_or(0);
        let decoding = Decoding::from(&self.config.data);
        if let Some(dark) = dark(sum(|part| part.deep), sum(SetSurvey::readable), peak, decoding) {
            return Some(dark.to_string());
        }
        let images = self.survey.train.readable();
        let error = self.config.check_against(images).err()?;
        Some(error.to_string())
    }

    /// For people, all but what to type next.
    pub fn say(&self) {
        let Survey { train, classes, .. } = self.survey;
        let what = match self.kind() {
            ("demo", _) => "the built-in part of Fashion-MNIST".to_owned(),
            (kind, place) => {
                let what = match kind {
                    "idx" => "MNIST's format (idx)",
                    "cifar10" => "CIFAR-10, binary version",
                    "cifar100" => "CIFAR-100, binary version",
                    "stl10" => "STL-10, binary version",
                    "folder" => "image files",
                    "pack" => "packed images",
                    "parquet" => "Parquet",
                    other => other,
                };
                format!("{what} in {}", place.unwrap_or_default())
            }
        };
        say!("data     {what}");
        say!("images   {}", self.splits());
        for line in table(self.survey, classes) {
            say!("         {line}");
        }
        say!("sizes    {}", looks(train, "x"));
        for (name, part) in self.survey.parts().skip(1) {
            if part.readable() > 0 && looks(part, "x") != looks(train, "x") {
                say!("         {name} images: {}", looks(part, "x"));
            }
        }
        self.say_unreadable();
        self.say_left_out();
        self.say_held();
        self.say_pixels();
        self.say_memory();
        match eval::missing(self.data) {
            None => say!("kNN      will classify the test images"),
            Some(missing) => say!("kNN      will be off: the data has no {missing}"),
        }
        for remark in &self.data.remarks {
            say!("remark   {remark}");
        }
        if let Some(refusal) = self.refusal() {
            say!("refused  training refuses this data: {}", refusal);
        }
    }

    fn say_unreadable(&self) {
        let bad: Vec<(&str, &SetSurvey)> = self.survey.parts().filter(|(_, part)| part.unreadable > 0).collect();
        if bad.is_empty() {
            say!("broken   none: every image can be read");
        }
        for (index, (name, part)) in bad.into_iter().enumerate() {
            let label = if index == 0 { "broken" } else { "" };
            say!("{label:8} {} of {} {name} images cannot be read", count(part.unreadable), count(part.images));
            for problem in &part.problems {
                say!("         {}", problem);
            }
            match part.unreadable - part.problems.len() {
                0 => {}
                more => say!("         and {} more", count(more)),
            }
        }
    }

    fn say_left_out(&self) {
        for (index, left_out) in self.data.left_out.iter().enumerate() {
            let label = if index == 0 { "left out" } else { "" };
            say!("{label:8} {}", left_out.line());
        }
    }

    /// What becomes of transparency and of 16 bits a channel.
    fn say_held(&self) {
        for (name, part) in self.survey.parts() {
            let of = count(part.readable());
            if part.transparent > 0 {
                let what = match self.config.data.background {
                    Background(None) => "dropped, so that what the files hide under it is seen".to_owned(),
                    background => format!("composed on {background}"),
                };
                say!(
                    "alpha    {} of {of} {name} images have transparency: {what} (data.background)",
                    count(part.transparent)
                );
            }
            if part.deep > 0 {
                let white = self.config.data.white_level.unwrap_or(usize::from(u16::MAX));
                say!(
                    "depth    {} of {of} {name} images have 16 bits a channel, with values to {}: {white} is white (data.white_level)",
                    count(part.deep),
                    part.peak
                );
            }
        }
    }

    fn say_pixels(&self) {
        let train = &self.survey.train;
        let three = |values: [f64; 3]| values.map(|v| format!("{v:.4}")).join(", ");
        let (mean, std) = (three(train.mean), three(train.std));
        match (train.gray, train.colour) {
            (0, 0) => return,
            (_, 0) => {
                say!("pixels   mean {:.4}, std {:.4} over the training images, on 0 to 1", train.mean[0], train.std[0])
            }
            _ => say!("pixels   mean {mean}; std {std} of red, green, blue over the training images, on 0 to 1"),
        }
        // A standard deviation of 0 is none to divide by.
        match train.std.iter().all(|&std| std >= 5e-5) {
            true => say!("         --set \"augment.mean=[{mean}]\" --set \"augment.std=[{std}]\""),
            false => say!("         a channel is the same everywhere: no std to divide by"),
        }
    }

    fn say_memory(&self) {
        let bytes = size(self.survey.parts().map(|(_, part)| part.bytes).sum());
        let patches = size(self.patches());
        let of = format!(
            "{} images, views of {} pixels, {}",
            self.config.optim.batch_size, self.config.data.image_size, self.origin
        );
        match self.data.train.in_memory() {
            Some(_) => {
                let device = size(self.survey.train.bytes * train::RESIDENT_SHARE);
                say!("memory   {bytes} decoded; training images stay on a device with {device} of memory or more");
                say!("         streamed to a smaller one, a batch takes at most {patches} there ({of})");
            }
            None => {
                say!("memory   {bytes} decoded, never all at once: images are streamed to the device");
                say!("         where a batch takes at most {patches} ({of})");
            }
        }
    }

    /// What to type next.
    pub fn say_next(&self) {
        let spec = quoted(&self.data.name);
        say!("next     simsiam train --data {spec}");
        say!("         simsiam views --data {spec} --out views.png");
    }

    /// All of it.
    pub fn json(&self) -> Value {
        let (kind, place) = self.kind();
        let Survey { train, bank, test, classes } = self.survey;
        let missing = eval::missing(self.data);
        json!({
            "data": self.data.name,
            "kind": kind,
            "place": place,
            "train": train,
            "bank": bank,
            "test": test,
            "classes": classes,
            "mean": train.mean,
            "std": train.std,
            "memory": {
                "decoded_bytes": self.survey.parts().map(|(_, part)| part.bytes).sum::<u64>(),
                "streamed": self.data.train.in_memory().is_none(),
                "resident_from_device_bytes":
                    self.data.train.in_memory().map(|_| train.bytes * train::RESIDENT_SHARE),
                "batch_patch_bytes": self.patches(),
                "batch_size": self.config.optim.batch_size,
                "image_size": self.config.data.image_size,
                "settings": self.origin,
            },
            "knn": { "runs": missing.is_none(), "missing": missing },
            "refused": self.refusal(),
            "left_out": self.data.left_out,
            "remarks": self.data.remarks,
        })
    }
}

/// Bytes of the patches of a step, of every view of its images, where these are of width and height `one_size` or of any.
fn patches(config: &Config, one_size: Option<(u32, u32)>) -> u64 {
    let of_image = |group: &ViewGroup| group.count() as u64 * Patch::most_bytes(group.size, one_size) as u64;
    let groups = method::of(config).views(config);
    config.optim.batch_size as u64 * groups.iter().map(of_image).sum::<u64>()
}

/// Sizes and colours of the images of a part, with a sign between width and height.
fn looks(part: &SetSurvey, times: &str) -> String {
    let text = |[width, height]: [u32; 2]| format!("{width}{times}{height}");
    let sizes = match part.sizes {
        None => return "none can be read".to_owned(),
        Some(sizes) => match sizes.one() {
            Some(size) => format!("all {} pixels", text(size)),
            None => {
                let Sizes { smallest, median, largest } = sizes;
                format!("smallest {}, median {}, largest {} pixels", text(smallest), text(median), text(largest))
            }
        },
    };
    match (part.gray, part.colour) {
        (_, 0) => format!("{sizes}, gray"),
        (0, _) => format!("{sizes}, colour"),
        (gray, colour) => format!("{sizes}, {} in colour and {} gray", count(colour), count(gray)),
    }
}

/// The classes with their images in each part.
fn table(survey: &Survey, classes: &[Class]) -> Vec<String> {
    if classes.is_empty() {
        return Vec::new();
    }
    let counts = |class: &Class| {
        let of = [Some(class.train), class.bank, Some(class.test)];
        let parts = [true, survey.bank.is_some(), survey.test.images > 0];
        let pairs = of.into_iter().zip(parts);
        pairs.filter_map(|(count, there)| count.filter(|_| there))
    };
    let listed = match classes.len() {
        0..=LISTED => classes,
        _ => &classes[..FIRST],
    };
    let name = |class: &Class| -> String {
        let name: Vec<char> = class.name.chars().collect();
        match name.len() {
            0..=NAMES => name.into_iter().collect(),
            _ => name[..NAMES - 1].iter().chain(&['…']).collect(),
        }
    };
    let width = listed.iter().map(|c| name(c).chars().count()).max();
    let width = width.unwrap_or(0);
    let parts = survey.parts().filter(|(kind, part)| *kind != "test" || part.images > 0);
    let head: String = parts.map(|(kind, _)| format!("  {kind:>9}")).collect();
    let mut lines = vec![format!("{:width$}{head}", "")];
    lines.extend(listed.iter().map(|class| {
        let row: String = counts(class).map(|n| format!("  {:>9}", count(n))).collect();
        format!("{:width$}{row}", name(class))
    }));
    let more = classes.len() - listed.len();
    let extreme = |class: Option<&Class>| {
        class.map_or(String::new(), |class| format!("{} ({})", name(class), count(class.voters())))
    };
    if more > 0 {
        // Of equals the first.
        let smallest = classes.iter().min_by_key(|class| class.voters());
        let largest = classes.iter().rev().max_by_key(|class| class.voters());
        lines.push(format!("and {} more; smallest {}, largest {}", count(more), extreme(smallest), extreme(largest)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_takes_memory_for_every_view() -> Result<(), Box<dyn std::error::Error>> {
        let mut config = Config::preset("demo")?;
        let two = patches(&config, Some((28, 28)));
        assert_eq!(two, 2 * config.optim.batch_size as u64 * Patch::most_bytes(28, Some((28, 28))) as u64);
        config.set("method.symmetry=asymmetric_2x")?;
        assert_eq!(patches(&config, Some((28, 28))), 2 * two);
        Ok(())
    }
}
