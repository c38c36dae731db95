//! Convolution, linear layers and batch normalisation against PyTorch: forward, every gradient, running statistics.

mod common;

use common::{Reference, Setup};
use simsiam::graph::Array;
use simsiam::ops::{BatchNormApply, BatchNormEval, BatchNormStatistics, Conv2d, Linear};

const TOLERANCE: f64 = 1e-5;

fn conv2d(name: &str) {
    let r = Reference::read(&format!("ops/{name}"));
    let mut setup = Setup::default();
    let inputs = [setup.rows(r.rows("x")), setup.weight(r.weight("weight"))];
    let op = Conv2d { stride: r.setting("stride") as usize, padding: r.setting("padding") as usize };
    let y = setup.add(op, &inputs);
    let gradients = setup.backward(r.rows("dy"));
    setup.check(
        TOLERANCE,
        &[("y", y, r.rows("y")), ("dx", gradients[0], r.rows("dx")), ("dweight", gradients[1], r.weight("dweight"))],
    );
}

#[test]
fn conv2d_3x3() {
    conv2d("conv2d_3x3");
}

#[test]
fn conv2d_3x3_stride2() {
    conv2d("conv2d_3x3_stride2");
}

#[test]
fn conv2d_1x1_stride2() {
    conv2d("conv2d_1x1_stride2");
}

#[test]
fn conv2d_7x7_stride2() {
    conv2d("conv2d_7x7_stride2");
}

#[test]
fn conv2d_odd_channels() {
    conv2d("conv2d_odd_channels");
}

#[test]
fn conv2d_wide() {
    conv2d("conv2d_wide");
}

#[test]
fn conv2d_1x1_pixel() {
    conv2d("conv2d_1x1_pixel");
}

#[test]
fn linear() {
    let r = Reference::read("ops/linear");
    let mut setup = Setup::default();
    let inputs = [setup.rows(r.rows("x")), setup.weight(r.weight("weight")), setup.rows(r.plain("bias"))];
    let y = setup.add(Linear { bias: true }, &inputs);
    let gradients = setup.backward(r.rows("dy"));
    setup.check(
        TOLERANCE,
        &[
            ("y", y, r.rows("y")),
            ("dx", gradients[0], r.rows("dx")),
            ("dweight", gradients[1], r.weight("dweight")),
            ("dbias", gradients[2], r.plain("dbias")),
        ],
    );
}

#[test]
fn linear_no_bias() {
    let r = Reference::read("ops/linear_no_bias");
    let mut setup = Setup::default();
    let inputs = [setup.rows(r.rows("x")), setup.weight(r.weight("weight"))];
    let y = setup.add(Linear { bias: false }, &inputs);
    let gradients = setup.backward(r.rows("dy"));
    setup.check(
        TOLERANCE,
        &[("y", y, r.rows("y")), ("dx", gradients[0], r.rows("dx")), ("dweight", gradients[1], r.weight("dweight"))],
    );
}

/// The parameters of a normalisation, where it has any.
fn affine(r: &Reference, affine: bool) -> Vec<Array> {
    match affine {
        true => vec![r.plain("weight"), r.plain("bias")],
        false => Vec::new(),
    }
}

fn batch_norm(name: &str, with_affine: bool, tolerance: f64) {
    let r = Reference::read(&format!("ops/{name}"));
    let eps = r.setting("eps") as f32;

    let mut setup = Setup::default();
    let x = setup.rows(r.rows("x"));
    let running = ["running_mean", "running_var"].map(|name| setup.rows(r.plain(name)));
    let statistics = BatchNormStatistics { views: 1, eps, momentum: r.setting("momentum") as f32 };
    let statistics = setup.add_updating(statistics, &[x], &running);
    let mut inputs = vec![x, statistics];
    inputs.extend(affine(&r, with_affine).into_iter().map(|a| setup.rows(a)));
    let op = BatchNormApply {
        views: 1,
        relu: false,
        affine: with_affine,
        residual: false,
        ranks: simsiam::ranks::Ranks::ONE,
    };
    let y = setup.add(op, &inputs);
    let gradients = setup.backward(r.rows("dy"));
    let mut expected = vec![
        ("y", y, r.rows("y")),
        ("dx", gradients[0], r.rows("dx")),
        ("running_mean", running[0], r.plain("running_mean_after")),
        ("running_var", running[1], r.plain("running_var_after")),
    ];
    if with_affine {
        expected.push(("dweight", gradients[1], r.plain("dweight")));
        expected.push(("dbias", gradients[2], r.plain("dbias")));
    }
    setup.check(tolerance, &expected);

    let mut setup = Setup::default();
    let mut inputs = ["x", "running_mean", "running_var"].map(|name| setup.rows(r.rows(name))).to_vec();
    inputs.extend(affine(&r, with_affine).into_iter().map(|a| setup.rows(a)));
    let op = BatchNormEval { relu: false, affine: with_affine, residual: false, eps };
    let y = setup.add(op, &inputs);
    setup.check(tolerance, &[("y_eval", y, r.rows("y_eval"))]);
}

#[test]
fn batch_norm_2d() {
    batch_norm("batch_norm_2d", true, TOLERANCE);
}

#[test]
fn batch_norm_1d() {
    batch_norm("batch_norm_1d", true, TOLERANCE);
}

#[test]
fn batch_norm_1d_no_affine() {
    batch_norm("batch_norm_1d_no_affine", false, TOLERANCE);
}

#[test]
fn batch_norm_2d_offset() {
    // The mean is a thousand deviations away: rounding the input alone costs digits. PyTorch's own f32 reaches 2e-5.
    batch_norm("batch_norm_2d_offset", true, 1e-4);
}
