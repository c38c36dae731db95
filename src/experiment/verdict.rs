//! Numbers of a variant over its seeds, and whether they show what the paper found.

use super::Claim;
use crate::method::metric::names;
use crate::train::History;

/// Outputs whose std is below this part of 1/sqrt(d) at the end have collapsed (paper §4.1: it falls to zero).
const COLLAPSED_STD: f64 = 0.3;
/// Outputs of a lower effective rank at the end lie on a line.
const COLLAPSED_RANK: f64 = 2.0;
/// A difference counts from this many standard errors on: about one chance in twenty.
const ERRORS: f64 = 2.0;

/// A number of every seed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sample(pub Vec<f64>);

impl Sample {
    fn of<'a>(runs: &[&'a History], number: impl Fn(&'a History) -> Option<f64>) -> Sample {
        Sample(runs.iter().filter_map(|run| number(run)).filter(|x| x.is_finite()).collect())
    }

    /// The mean; `None` without numbers.
    pub fn mean(&self) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.iter().sum::<f64>() / self.0.len() as f64)
    }

    /// The standard deviation between seeds, with n - 1; `None` below two.
    pub fn spread(&self) -> Option<f64> {
        let mean = self.mean().filter(|_| self.0.len() > 1)?;
        let squares: f64 = self.0.iter().map(|x| (x - mean).powi(2)).sum();
        Some((squares / (self.0.len() - 1) as f64).sqrt())
    }
}

/// How the runs of one variant ended. Those still on their way do not count.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figures {
    /// Runs at their end.
    pub ended: usize,
    /// Runs on their way.
    pub unfinished: usize,
    /// Of the ended ones, those whose numbers left their range.
    pub diverged: usize,
    /// Of the ended ones, those whose outputs had collapsed.
    pub collapsed: usize,
    /// kNN's accuracy before training, as a share.
    pub knn_untrained: Sample,
    /// kNN's accuracy, as a share.
    pub knn: Sample,
    /// The last epoch's loss.
    pub loss: Sample,
    /// The last epoch's output std.
    pub output_std: Sample,
    /// The same times sqrt(d): 1 is healthy.
    pub std_ratio: Sample,
    /// The last epoch's effective rank.
    pub rank: Sample,
    /// Seconds of a run.
    pub seconds: Sample,
    /// Images (not views) a second.
    pub images_per_second: Sample,
    /// Test images that kNN classified.
    pub test_images: usize,
}

impl Figures {
    /// Of the runs of one variant that have ended.
    pub fn of(runs: &[&History]) -> Figures {
        let ended: Vec<&History> = runs.iter().copied().filter(|run| run.ended()).collect();
        Figures {
            ended: ended.len(),
            unfinished: runs.len() - ended.len(),
            diverged: ended.iter().filter(|run| run.failed.is_some()).count(),
            collapsed: ended.iter().filter(|run| collapsed(run)).count(),
            ..Self::at_last(&ended)
        }
    }

    /// The numbers of some runs as far as they are, at their end or not.
    pub fn at_last(runs: &[&History]) -> Figures {
        Figures {
            knn_untrained: Sample::of(runs, |run| run.untrained(names::KNN_TOP1)),
            knn: Sample::of(runs, History::knn),
            loss: Sample::of(runs, |run| run.last_epoch(names::LOSS)),
            output_std: Sample::of(runs, |run| run.last_epoch(names::OUTPUT_STD)),
            std_ratio: Sample::of(runs, std_ratio),
            rank: Sample::of(runs, |run| run.last_epoch(names::EFFECTIVE_RANK)),
            seconds: Sample::of(runs, |run| Some(run.seconds())),
            images_per_second: Sample::of(runs, History::images_per_second),
            test_images: runs.iter().filter_map(|run| Some(run.start.as_ref()?.test_images)).min().unwrap_or(0),
            ..Figures::default()
        }
    }

    /// The standard error of kNN's mean, squared: from the spread between seeds, and never below what the number of test images lets one know.
    fn squared_error(&self) -> Option<f64> {
        let (mean, n) = (self.knn.mean()?, self.knn.0.len() as f64);
        let between = self.knn.spread().map_or(0.0, |spread| spread.powi(2));
        let sampling = mean * (1.0 - mean) / self.test_images.max(1) as f64;
        Some(between.max(sampling) / n)
    }
}

/// The last epoch's output std times sqrt(d).
fn std_ratio(run: &History) -> Option<f64> {
    Some(run.last_epoch(names::OUTPUT_STD)? * (run.config.model.dim as f64).sqrt())
}

/// Whether a user was warned of a collapse, or the outputs have become a point or a line.
fn collapsed(run: &History) -> bool {
    let rank = run.last_epoch(names::EFFECTIVE_RANK);
    run.alarms.iter().any(|alarm| alarm.kind == "collapse")
        || std_ratio(run).is_some_and(|ratio| ratio < COLLAPSED_STD)
        || rank.is_some_and(|rank| rank < COLLAPSED_RANK)
}

/// Whether a claim holds for our runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Our runs show it.
    Reproduced,
    /// They show the opposite.
    NotReproduced,
    /// The difference is within what seeds and test images leave open.
    TooClose,
    /// There are no finished runs to tell.
    Unknown,
}

impl Verdict {
    /// For files.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Reproduced => "reproduced",
            Verdict::NotReproduced => "not-reproduced",
            Verdict::TooClose => "too-close",
            Verdict::Unknown => "unknown",
        }
    }

    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Verdict::Reproduced => "reproduced",
            Verdict::NotReproduced => "not reproduced",
            Verdict::TooClose => "too close to call at this size",
            Verdict::Unknown => "not run yet",
        }
    }

    /// Of a claim, with the numbers that decide it in words. `find` gives a variant's label and figures by its name.
    pub fn of<'a>(claim: &Claim, find: impl Fn(&str) -> Option<(&'a str, &'a Figures)>) -> (Verdict, String) {
        match claim {
            Claim::Better { better, worse } => match (find(better), find(worse)) {
                (Some(better), Some(worse)) => compare(better, worse),
                _ => (Verdict::Unknown, String::new()),
            },
            Claim::Collapses { collapses: name } => match find(name) {
                Some((label, figures)) => count(figures, figures.collapsed, &format!("{label} collapses")),
                None => (Verdict::Unknown, String::new()),
            },
            Claim::Survives { survives: name } => match find(name) {
                Some((label, figures)) => {
                    let healthy = figures.ended - figures.collapsed;
                    count(figures, healthy, &format!("{label} does not collapse"))
                }
                None => (Verdict::Unknown, String::new()),
            },
        }
    }
}

fn compare((better, a): (&str, &Figures), (worse, b): (&str, &Figures)) -> (Verdict, String) {
    let claim = format!("{better} classifies better than {worse}");
    if a.ended == 0 || b.ended == 0 {
        return (Verdict::Unknown, claim);
    }
    // A run without numbers has no accuracy, and is worse than any that has one.
    let broken = |figures: &Figures| figures.diverged == figures.ended;
    match (broken(a), broken(b)) {
        (false, true) => return (Verdict::Reproduced, format!("{claim}: the latter diverges")),
        (true, false) => {
            return (Verdict::NotReproduced, format!("{claim}: the former diverges"));
        }
        (true, true) => return (Verdict::TooClose, format!("{claim}: both diverge")),
        (false, false) => {}
    }
    let errors = a.squared_error().zip(b.squared_error());
    let (Some((mean_a, mean_b)), Some((error_a, error_b))) = (a.knn.mean().zip(b.knn.mean()), errors) else {
        return (Verdict::Unknown, format!("{claim}: there was no kNN"));
    };
    let (difference, error) = (mean_a - mean_b, (error_a + error_b).sqrt());
    let verdict = match difference {
        d if d > ERRORS * error => Verdict::Reproduced,
        d if d < -ERRORS * error => Verdict::NotReproduced,
        _ => Verdict::TooClose,
    };
    let percent = |share: f64| format!("{:.1}", 100.0 * share);
    let sign = if difference < 0.0 { "\u{2212}" } else { "+" };
    let text = format!(
        "{claim}: {} % and {} %, {sign}{} points with a standard error of {}",
        percent(mean_a),
        percent(mean_b),
        percent(difference.abs()),
        percent(error)
    );
    (verdict, text)
}

/// All runs, none or some are as they should be.
fn count(figures: &Figures, good: usize, claim: &str) -> (Verdict, String) {
    let of = figures.ended;
    let verdict = match good {
        _ if of == 0 => return (Verdict::Unknown, claim.to_owned()),
        n if n == of => Verdict::Reproduced,
        0 => Verdict::NotReproduced,
        _ => Verdict::TooClose,
    };
    let runs = if of == 1 { "run" } else { "runs" };
    (verdict, format!("{claim}: {good} of {of} {runs}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(knn: &[f64]) -> Figures {
        Figures { ended: knn.len(), knn: Sample(knn.to_vec()), test_images: 1000, ..Figures::default() }
    }

    fn verdict(a: &Figures, b: &Figures) -> Verdict {
        compare(("a", a), ("b", b)).0
    }

    #[test]
    fn a_difference_counts_where_seeds_agree() {
        let low = figures(&[0.60, 0.61, 0.62]);
        let high = figures(&[0.66, 0.67, 0.68]);
        let wide = figures(&[0.50, 0.68, 0.86]);
        assert_eq!(verdict(&high, &low), Verdict::Reproduced);
        assert_eq!(verdict(&low, &high), Verdict::NotReproduced);
        assert_eq!(verdict(&wide, &low), Verdict::TooClose);
        // One seed: 1,000 test images tell 4.3 points apart.
        assert_eq!(verdict(&figures(&[0.67]), &figures(&[0.64])), Verdict::TooClose);
        assert_eq!(verdict(&figures(&[0.67]), &figures(&[0.61])), Verdict::Reproduced);
        assert_eq!(verdict(&figures(&[]), &low), Verdict::Unknown);
        let broken = Figures { diverged: 1, ..figures(&[0.9]) };
        assert_eq!(verdict(&low, &broken), Verdict::Reproduced);
        assert_eq!(verdict(&broken, &low), Verdict::NotReproduced);
        let (_, text) = compare(("a", &high), ("b", &low));
        assert_eq!(text, "a classifies better than b: 67.0 % and 61.0 %, +6.0 points with a standard error of 1.2");
    }

    #[test]
    fn a_collapse_is_counted() {
        let some = Figures { collapsed: 1, ..figures(&[0.1, 0.6]) };
        let all = Figures { collapsed: 2, ..some.clone() };
        let of = |claim: &Claim, figures: &Figures| Verdict::of(claim, |_| Some(("a", figures)));
        let collapses = Claim::Collapses { collapses: "a".into() };
        let survives = Claim::Survives { survives: "a".into() };
        assert_eq!(of(&collapses, &all), (Verdict::Reproduced, "a collapses: 2 of 2 runs".into()));
        assert_eq!(of(&survives, &all).0, Verdict::NotReproduced);
        assert_eq!(of(&survives, &some).0, Verdict::TooClose);
        assert_eq!(of(&survives, &figures(&[])).0, Verdict::Unknown);
        assert_eq!(Verdict::of(&survives, |_| None).0, Verdict::Unknown);
    }
}
