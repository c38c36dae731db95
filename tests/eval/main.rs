//! Evaluation of a trained network: the neighbours' vote, linear classifiers, files, the commands.

mod commands;
mod files;
mod knn;
mod linear;
mod subject;
