//! The built-in data: the first 5,000 training and 1,000 test images of Fashion-MNIST (Copyright (c) 2017 Zalando SE, MIT licence, see
//! `assets/demo/LICENSE`), read by the same code as any idx file.

use std::sync::Arc;

use super::idx;
use crate::data::read::source::ByteSource;
use crate::data::{DataError, Dataset, Limits};

/// Fashion-MNIST's classes, as its README names them.
const CLASSES: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

macro_rules! built_in {
    ($name:literal) => {
        ByteSource::built_in(concat!("built-in ", $name), include_bytes!(concat!("../../../assets/demo/", $name)))
    };
}

/// Unpacks the built-in images.
pub(in crate::data) fn open(name: String, limits: Limits) -> Result<Dataset, DataError> {
    let train = idx::images_with_labels(
        built_in!("train-images-idx3-ubyte.gz"),
        built_in!("train-labels-idx1-ubyte.gz"),
        CLASSES.len(),
        limits.train,
    )?;
    let test = idx::images_with_labels(
        built_in!("t10k-images-idx3-ubyte.gz"),
        built_in!("t10k-labels-idx1-ubyte.gz"),
        CLASSES.len(),
        limits.test,
    )?;
    Ok(Dataset { name, classes: CLASSES.map(str::to_owned).to_vec(), ..Dataset::new(Arc::new(train), Arc::new(test)) })
}
