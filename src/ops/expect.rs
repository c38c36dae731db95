//! What operators expect of their inputs, and how they say so.

use crate::graph::Shape;

/// One tensor.
pub(super) fn one(inputs: &[Shape]) -> Result<&Shape, String> {
    match inputs {
        [x] => Ok(x),
        _ => Err(String::from("expected one tensor")),
    }
}

/// One tensor `[M, C]`.
pub(super) fn matrix(inputs: &[Shape]) -> Result<&Shape, String> {
    match inputs {
        [x] if x.dims().len() == 2 => Ok(x),
        _ => Err(String::from("expected one tensor [M, C]")),
    }
}

/// One tensor `[M, C]` whose first `rows` rows, of which there must be `least`, count.
pub(super) fn matrix_of(inputs: &[Shape], rows: usize, least: usize) -> Result<&Shape, String> {
    match matrix(inputs)? {
        x if (least..=x.dims()[0]).contains(&rows) => Ok(x),
        _ => Err(format!("expected one tensor [M, C] of at least {} rows", rows.max(least))),
    }
}

/// One tensor `[N, H, W, C]` with pixels.
pub(super) fn images(inputs: &[Shape]) -> Result<&Shape, String> {
    match inputs {
        [x] if x.dims().len() == 4 && !x.is_empty() => Ok(x),
        _ => Err(String::from("expected one tensor [N, H, W, C]")),
    }
}

/// The shape of two tensors that have the same.
pub(super) fn pair(inputs: &[Shape]) -> Result<&Shape, String> {
    match inputs {
        [a, b] if a == b => Ok(a),
        _ => Err(String::from("expected two tensors of one shape")),
    }
}

/// The shape of two tensors `[M, C]` that have the same.
pub(super) fn matrix_pair(inputs: &[Shape]) -> Result<&Shape, String> {
    match inputs {
        [a, b] if a == b && a.dims().len() == 2 => Ok(a),
        _ => Err(String::from("expected two tensors of one shape [M, C]")),
    }
}

/// A gradient `[M]`, and the shape of two tensors `[M, C]`.
pub(super) fn vector_and_matrix_pair(inputs: &[Shape]) -> Result<&Shape, String> {
    match inputs {
        [dy, a, b] if a == b && a.dims().len() == 2 && dy.dims() == [a.dims()[0]] => Ok(a),
        _ => Err(String::from("expected dy [M] and two tensors of one shape [M, C]")),
    }
}
