//! What a network has learnt.
//!
//! [`FeaturePlan`] makes features of images; [`KnnPlan`] classifies by them and by the vote of their neighbours ([`VotePlan`]);
//! [`linear()`] trains linear classifiers on them ([`Probe`]), and [`FinetunePlan`] the whole backbone with a classifier on top; [`write_embedding`] makes files of them, [`write_projector`] those of
//! TensorBoard's embedding projector, [`feature_map`] a map; [`nearest`] and [`duplicates()`] find images that are alike; [`feature_quality`] measures features without labels.

mod duplicates;
mod embedding;
mod error;
mod features;
mod finetune;
mod knn;
mod labels;
mod linear;
mod map;
mod neighbours;
mod predictions;
mod probe;
mod projector;
mod quality;
mod scores;
mod view_features;
mod vote;

pub use duplicates::{DUPLICATE_SIMILARITY, duplicates, duplicates_among, is_plain, whitened};
pub use embedding::{EmbeddingFormat, class_name, names_beside, write_embedding};
pub use error::EvalError;
pub use features::{FeaturePlan, FeatureSpec, FeatureTable, Features, Output};
pub use finetune::{Finetune, FinetuneEvent, FinetuneOptions, FinetunePlan, FinetuneReport};
pub use knn::{Knn, KnnPlan, Prediction, classes, missing, scores};
pub use labels::with_label_percent;
pub use linear::{Accuracy, LinearEvent, LinearOptions, LinearReport, RateResult, linear, linear_plan};
pub use map::{FeatureMap, MapMethod, feature_map};
pub use neighbours::{Neighbour, nearest};
pub use predictions::{check_predictions, write_predictions};
pub use probe::{Probe, ProbeOptimizer, ProbePlan};
pub use projector::{neighbours_picture, write_projector};
pub use scores::{ClassScore, Scores};
pub use view_features::{FeatureQuality, feature_quality, quality_plans};
pub use vote::{Ballots, Vote, VotePlan, VoteRule};
