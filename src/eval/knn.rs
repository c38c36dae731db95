//! Classification of the test images by their nearest training images in feature space: the monitor of training without labels
//! ([`VoteRule`] says how). Features are those in evaluation mode, scaled to unit length.

use std::time::Duration;

use super::features::{FeaturePlan, FeatureSpec, Features, Output};
use super::vote::{Ballots, Vote, VotePlan, VoteRule};
use super::{EvalError, Scores};
use crate::config::Config;
use crate::data::Dataset;
use crate::graph::tune::Work;
use crate::graph::{Choices, GraphError, Memory, Store, Target};
use crate::model::Parameters;
use crate::ranks::{self, Link};

/// What kNN would need and the data lacks; `None` where it has all of it.
pub fn missing(data: &Dataset) -> Option<&'static str> {
    if data.test.is_empty() {
        return Some("test images");
    }
    match (data.bank().labels(), data.test.labels()) {
        (None | Some([]), _) => Some("labels"),
        (_, None) => Some("labels of the test images"),
        _ => None,
    }
}

/// Number of classes: those with a name, or as many as the labels need.
pub fn classes(data: &Dataset) -> usize {
    let labels = [data.bank(), &data.test].map(|set| set.labels().unwrap_or_default());
    let most = labels.into_iter().flatten().max();
    most.map_or(0, |&label| label as usize + 1).max(data.classes.len())
}

/// What kNN computes, before anything is allocated: features of a batch of images, and the vote for some queries.
#[derive(Debug, Clone)]
pub struct KnnPlan {
    features: FeaturePlan,
    /// One an output.
    votes: Vec<VotePlan>,
}

impl KnnPlan {
    /// On the backbone's output for the images of `data`, `batch` of them at once, with the configuration's rule; `None` where labels or
    /// test images are missing.
    pub fn new(
        config: &Config,
        data: &Dataset,
        parameters: &mut Parameters,
        target: &Target,
        batch: usize,
    ) -> Result<Option<KnnPlan>, EvalError> {
        KnnPlan::of(&[Output::Backbone], config, data, parameters, target, batch)
    }

    /// The same on each of `outputs`.
    pub fn of(
        outputs: &[Output],
        config: &Config,
        data: &Dataset,
        parameters: &mut Parameters,
        target: &Target,
        batch: usize,
    ) -> Result<Option<KnnPlan>, EvalError> {
        if missing(data).is_some() {
            return Ok(None);
        }
        let (bank, test) = (data.bank().len(), data.test.len());
        let batch = batch.clamp(1, bank.max(test));
        let one_size = data.bank().size().filter(|_| data.test.size().is_some());
        let features = FeaturePlan::new(config, parameters, &FeatureSpec::new(one_size, batch, outputs).unit())?;
        let rule = VoteRule {
            k: config.run.neighbours(bank),
            temperature: config.run.knn_temperature,
            classes: classes(data),
        };
        let plan = |output| VotePlan::new(&rule, bank, features.width(output), batch, target);
        let votes = (0..outputs.len()).map(plan).collect::<Result<_, _>>()?;
        Ok(Some(KnnPlan { features, votes }))
    }

    /// What the features take, which take turns with training, and what the votes take besides, without the network's
    /// parameters.
    pub fn memory(&self, target: &Target) -> Result<[Memory; 2], GraphError> {
        let mut votes = Memory::default();
        for vote in &self.votes {
            votes = votes.beside(&vote.graph().memory(target)?);
        }
        Ok([self.features.graph().memory(target)?, votes])
    }

    /// Its graphs, and how often they are replayed in `evaluations` classifications of `data`.
    pub fn work(&self, data: &Dataset, evaluations: u64) -> Vec<Work<'_>> {
        let batches = self.features.batches(&*data.test);
        let features = Work { graph: self.features.graph(), runs: evaluations * self.batches(data) as u64 };
        let votes = self.votes.iter().map(|vote| {
            let parts = self.features.batch().div_ceil(vote.chunk());
            Work { graph: vote.graph(), runs: evaluations * (batches * parts) as u64 }
        });
        std::iter::once(features).chain(votes).collect()
    }

    /// Batches of images in a classification of `data`.
    pub fn batches(&self, data: &Dataset) -> usize {
        self.features.batches(&**data.bank()) + self.features.batches(&*data.test)
    }

    /// See [`crate::graph::Graph::choose`].
    pub fn choose(&mut self, choices: &Choices) {
        self.features.choose(choices);
        for vote in &mut self.votes {
            vote.choose(choices);
        }
    }

    /// Compiles all graphs; the network's state is that of `store`.
    pub fn compile(self, store: &mut Store) -> Result<Knn, EvalError> {
        let link = store.link().clone();
        // A store of its own: the features must outlast the votes for them.
        let mut own = Store::new(store.gpu());
        let votes = self.votes.into_iter().map(|vote| vote.compile(&mut own));
        Ok(Knn { votes: votes.collect::<Result<_, _>>()?, features: self.features.compile(store)?, link })
    }
}

/// What the neighbours of a test image say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prediction {
    /// Its number in the set.
    pub image: u32,
    /// Its class.
    pub label: u32,
    /// The class of most votes; the lowest of equals.
    pub predicted: u32,
    /// How many classes come before its own; a class without votes comes behind all.
    pub rank: usize,
}

impl Prediction {
    fn new(image: u32, label: u32, votes: &[f32]) -> Prediction {
        let before = |a: usize, b: usize| votes[a] > votes[b] || (votes[a] == votes[b] && a < b);
        let first = (0..votes.len()).reduce(|best, i| if before(i, best) { i } else { best });
        let own = label as usize;
        let rank = match votes.get(own) {
            Some(&vote) if vote > 0.0 => (0..votes.len()).filter(|&i| before(i, own)).count(),
            _ => votes.len(),
        };
        Prediction { image, label, predicted: first.unwrap_or(0) as u32, rank }
    }
}

/// When it is asked whether to go on.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Moment {
    /// After a batch.
    Batch,
    /// While images are waited for.
    Waiting,
}

/// kNN on a device.
pub struct Knn {
    features: Features,
    /// One an output.
    votes: Vec<Vote>,
    /// Several ranks share the images.
    link: Link,
}

impl Knn {
    /// See [`crate::gpu::Plan::bound_submits`].
    pub fn bound_submits(&mut self, longest: Duration) {
        self.features.bound_submits(longest);
        for vote in &mut self.votes {
            vote.bound_submits(longest);
        }
    }

    /// Share of all readable test images whose class wins the vote on the first output, with the network as it is in the store. `go_on`
    /// is asked after every batch and while images are waited for; `None` where it said no.
    pub fn top1(&mut self, data: &Dataset, go_on: &mut dyn FnMut() -> bool) -> Result<Option<f64>, EvalError> {
        let verdicts = self.predictions(data, &mut |_| go_on())?;
        Ok(verdicts.and_then(|outputs| Some(scores(data, outputs.first()?).top1)))
    }

    /// What the neighbours say of every readable test image, for each output, with the network as it is in the store. `go_on` is asked
    /// after every batch; `None` where it said no.
    pub fn classify(
        &mut self,
        data: &Dataset,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Vec<Vec<Prediction>>>, EvalError> {
        self.predictions(data, &mut |moment| moment == Moment::Waiting || go_on())
    }

    fn predictions(
        &mut self,
        data: &Dataset,
        go_on: &mut dyn FnMut(Moment) -> bool,
    ) -> Result<Option<Vec<Vec<Prediction>>>, EvalError> {
        let own = self.own_predictions(data, go_on);
        if self.link.ranks().is_alone() {
            return own;
        }
        // What one rank cannot classify ends it for all.
        let lost = match &own {
            Err(EvalError::NotFinite { image }) => u32::MAX - image,
            _ => 0,
        };
        match ranks::most(&*self.link, lost)? {
            0 => {}
            lost => return Err(EvalError::NotFinite { image: u32::MAX - lost }),
        }
        let Some(verdicts) = own? else { return Ok(None) };
        let all = verdicts.into_iter().map(|own| self.of_all_ranks(own, data.test.len()));
        Ok(Some(all.collect::<Result<_, _>>()?))
    }

    /// Those of this rank's part of the test images.
    fn own_predictions(
        &mut self,
        data: &Dataset,
        go_on: &mut dyn FnMut(Moment) -> bool,
    ) -> Result<Option<Vec<Vec<Prediction>>>, EvalError> {
        if !self.fill(data, go_on)? {
            return Ok(None);
        }
        // The image that each query is of: another than its place says where that one could not be read.
        let own = self.link.ranks().chunk(data.test.len());
        let mut queried: Vec<u32> = vec![u32::MAX; own.start];
        let labels = data.test.labels().unwrap_or_default();
        let mut verdicts = vec![Vec::with_capacity(data.test.len()); self.votes.len()];
        let mut loader = self.features.loader_of_part(&data.test, own);
        loop {
            let Some(images) = self.features.next_while(&mut loader, &mut || go_on(Moment::Waiting))? else {
                return Ok(None);
            };
            if images.is_empty() {
                break;
            }
            let start = queried.len();
            queried.extend(&images);
            for (output, vote) in self.votes.iter_mut().enumerate() {
                for part in (0..images.len()).step_by(vote.chunk()) {
                    let rows = vote.chunk().min(images.len() - part);
                    let (program, queries) = vote.queries();
                    self.features.copy(output, part..part + rows, program, queries, 0);
                    vote.cast(start + part, rows)?;
                    while let Some(ballots) = vote.ballots(false)? {
                        count(&ballots, &queried, labels, &mut verdicts[output])?;
                    }
                }
            }
            if !go_on(Moment::Batch) {
                return Ok(None);
            }
        }
        for (vote, verdicts) in self.votes.iter_mut().zip(&mut verdicts) {
            while let Some(ballots) = vote.ballots(true)? {
                count(&ballots, &queried, labels, verdicts)?;
            }
        }
        Ok(Some(verdicts))
    }

    /// The verdicts of all ranks, each on its part of `n` images.
    fn of_all_ranks(&self, own: Vec<Prediction>, n: usize) -> Result<Vec<Prediction>, EvalError> {
        // Images that could not be read are missing.
        const NONE: [u32; 4] = [u32::MAX; 4];
        let mut words: Vec<[u32; 4]> = own.iter().map(|p| [p.image, p.label, p.predicted, p.rank as u32]).collect();
        words.resize(n.div_ceil(self.link.ranks().size), NONE);
        let all: Vec<[u32; 4]> = bytemuck::pod_collect_to_vec(&self.link.all_gather(words.concat())?);
        let there = all.into_iter().filter(|words| *words != NONE);
        Ok(there
            .map(|[image, label, predicted, rank]| Prediction { image, label, predicted, rank: rank as usize })
            .collect())
    }

    /// Brings features and classes of the labelled training images to the votes; false where `go_on` said no.
    fn fill(&mut self, data: &Dataset, go_on: &mut dyn FnMut(Moment) -> bool) -> Result<bool, EvalError> {
        let set = data.bank();
        let labels = set.labels().unwrap_or_default();
        let own = self.link.ranks().chunk(set.len());
        let mut voters = Vec::with_capacity(set.len());
        let mut loader = self.features.loader_of_part(set, own.clone());
        loop {
            let Some(images) = self.features.next_while(&mut loader, &mut || go_on(Moment::Waiting))? else {
                return Ok(false);
            };
            if images.is_empty() {
                break;
            }
            for (output, vote) in self.votes.iter().enumerate() {
                let (program, bank) = vote.bank();
                let rows = 0..images.len();
                self.features.copy(output, rows, program, bank, own.start + voters.len());
            }
            let label = |&image: &u32| labels.get(image as usize).map_or(0.0, |&l| l as f32);
            voters.extend(images.iter().map(label));
            if !go_on(Moment::Batch) {
                return Ok(false);
            }
        }
        if !self.link.ranks().is_alone() {
            voters = ranks::gather_chunks(&*self.link, voters, set.len(), 1)?;
        }
        for vote in &self.votes {
            vote.share_bank(&*self.link)?;
            vote.label(&voters);
        }
        Ok(true)
    }

    /// See [`Features::remarks`].
    pub fn remarks(&mut self) -> Vec<String> {
        self.features.remarks()
    }
}

/// Adds the verdicts on images that are in their place. Every image has neighbours whose votes are above zero, unless features are not finite.
fn count(ballots: &Ballots, queried: &[u32], labels: &[u32], verdicts: &mut Vec<Prediction>) -> Result<(), EvalError> {
    let places = ballots.first..;
    for (place, votes) in places.zip(ballots.votes.chunks_exact(ballots.classes.max(1))) {
        if let (Some(&image), Some(&label)) = (queried.get(place), labels.get(place))
            && image as usize == place
        {
            let sum: f32 = votes.iter().sum();
            if !sum.is_finite() || sum <= 0.0 {
                return Err(EvalError::NotFinite { image });
            }
            verdicts.push(Prediction::new(image, label, votes));
        }
    }
    Ok(())
}

/// How many of them are right.
pub fn scores(data: &Dataset, verdicts: &[Prediction]) -> Scores {
    let ranked = verdicts.iter().map(|verdict| (verdict.label, verdict.rank));
    Scores::new(classes(data), ranked)
}

#[cfg(test)]
mod tests {
    use super::Prediction;

    #[test]
    fn the_lowest_of_equals_comes_first() {
        let verdict = |label, votes: &[f32]| {
            let verdict = Prediction::new(0, label, votes);
            (verdict.predicted, verdict.rank)
        };
        let votes = [0.0, 2.0, 1.0, 2.0];
        assert_eq!([1, 2, 3].map(|l| verdict(l, &votes)), [(1, 0), (1, 2), (1, 1)]);
        // Nobody voted for it.
        assert_eq!(verdict(0, &votes), (1, 4));
        assert_eq!(verdict(0, &[0.0, 0.0]), (0, 2));
    }
}
