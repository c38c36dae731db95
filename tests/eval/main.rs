//! Evaluation of a trained network: the neighbours' vote, linear classifiers, files, maps, the commands.

mod commands;
mod files;
mod finetune;
mod knn;
mod linear;
mod map;
mod subject;
#[path = "../tiny/mod.rs"]
mod tiny;
