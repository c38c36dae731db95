//! From packed bytes to normalised views on the device: the nodes, and the table that tells them what was drawn.

use super::{Jitter, JitterOp, ViewDraws, ViewGroup};
use crate::config::AugmentConfig;
use crate::graph::{Graph, GraphError, Tensor};
use crate::ops::{AugmentParams, ColorJitter, Crop, GaussianBlur, JitterParams, Normalize, Solarize};

/// Which of the augmentations can occur in a graph; one that cannot has no kernel there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ViewOptions {
    /// Applied last.
    pub normalize: Normalize,
    /// Whether a view may be jittered or turned gray.
    pub color: bool,
    /// Whether a view may be blurred.
    pub blur: bool,
    /// Whether light pixels of a view may be inverted.
    pub solarize: bool,
}

impl ViewOptions {
    /// For training views, as the configuration draws them.
    pub fn training(config: &AugmentConfig) -> ViewOptions {
        let strengths = [config.brightness, config.contrast, config.saturation, config.hue];
        let jitter = config.jitter_probability > 0.0 && strengths.iter().any(|&s| s > 0.0);
        ViewOptions {
            color: jitter || config.grayscale > 0.0,
            blur: config.blur_probability > 0.0,
            solarize: config.solarize > 0.0,
            ..ViewOptions::evaluation(config)
        }
    }

    /// For the views of a group: what can occur in any of them.
    pub fn of_group(group: &ViewGroup) -> ViewOptions {
        let options = group.views.iter().map(|view| ViewOptions::training(&view.augment));
        let both = |a: ViewOptions, b: ViewOptions| ViewOptions {
            color: a.color || b.color,
            blur: a.blur || b.blur,
            solarize: a.solarize || b.solarize,
            ..a
        };
        options.reduce(both).unwrap_or_else(|| ViewOptions::training(&AugmentConfig::default()))
    }

    /// For [`ViewDraws::evaluation`]: resized and normalised, nothing else.
    pub fn evaluation(config: &AugmentConfig) -> ViewOptions {
        ViewOptions {
            normalize: Normalize { mean: config.mean.map(|v| v as f32), std: config.std.map(|v| v as f32) },
            color: false,
            blur: false,
            solarize: false,
        }
    }
}

/// Adds the nodes that make views [n, size, size, 3].
///
/// `bytes` are [`Shape::words`](crate::graph::Shape::words) of packed images and `table` the words of [`table_rows`]; there are as many
/// views as rows, in their order. Order of application: crop and flip, jitter, gray, blur, solarize, normalisation; mirroring commutes with the
/// rest, so the flip may come first. The last kernel of the chain normalises.
pub fn views(
    graph: &mut Graph,
    bytes: Tensor,
    table: Tensor,
    size: usize,
    options: &ViewOptions,
) -> Result<Tensor, GraphError> {
    graph.within("views", |graph| {
        let last = |last: bool| last.then_some(options.normalize);
        let ViewOptions { color, blur, solarize, .. } = *options;
        let crop = Crop { size, float_source: false, normalize: last(!color && !blur && !solarize) };
        let mut x = graph.add_one(crop, &[bytes, table])?;
        if color {
            let normalize = last(!blur && !solarize);
            x = graph.add_one(ColorJitter { normalize }, &[x, table])?;
        }
        if blur {
            x = graph.add_one(GaussianBlur { normalize: last(!solarize) }, &[x, table])?;
        }
        if solarize {
            x = graph.add_one(Solarize { normalize: last(true) }, &[x, table])?;
        }
        Ok(x)
    })
}

/// Where an image lies in the packed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Its first byte.
    pub offset: u32,
    /// Pixels a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Channels a pixel, interleaved: 1 or 3.
    pub channels: u32,
}

/// The table of these views, [`AugmentParams::WORDS`] words each: `source` tells where the image of a draw lies.
///
/// # Panics
/// Where a crop leaves its image or an image has neither 1 nor 3 channels: kernels read without bounds checks, so a draw made for
/// another image must not reach them.
pub fn table_rows(draws: &[ViewDraws], source: impl Fn(&ViewDraws) -> Source) -> Vec<u32> {
    draws.iter().flat_map(|draw| augment_params(draw, source(draw)).words()).collect()
}

fn augment_params(draw: &ViewDraws, source: Source) -> AugmentParams {
    let inside = |at: u32, size: u32, of: u32| size > 0 && at.checked_add(size).is_some_and(|end| end <= of);
    assert!(
        inside(draw.top, draw.height, source.height)
            && inside(draw.left, draw.width, source.width)
            && matches!(source.channels, 1 | 3),
        "a view that its image does not hold: {draw} of {source:?}"
    );
    AugmentParams {
        offset: source.offset,
        width: source.width,
        channels: source.channels,
        top: draw.top,
        left: draw.left,
        crop_height: draw.height,
        crop_width: draw.width,
        flip: draw.flip,
        gray: draw.gray,
        jitter: draw.jitter.map(jitter_params),
        sigma: draw.blur_sigma.unwrap_or(0.0),
        solarize: draw.solarize,
    }
}

fn jitter_params(jitter: Jitter) -> JitterParams {
    JitterParams {
        factors: [jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue],
        order: jitter.order.map(|op| match op {
            JitterOp::Brightness => 0,
            JitterOp::Contrast => 1,
            JitterOp::Saturation => 2,
            JitterOp::Hue => 3,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_that_can_do_nothing_are_left_out() {
        let nodes = |config: &AugmentConfig, options: fn(&AugmentConfig) -> ViewOptions| {
            let mut graph = Graph::new();
            let bytes = graph.input("bytes", crate::graph::Shape::words(256));
            let table = graph.input("table", crate::graph::Shape::words(2 * AugmentParams::WORDS));
            let made = views(&mut graph, bytes, table, 16, &options(config));
            assert_eq!(made.map(|t| graph.shape(t).dims().to_vec()).ok(), Some(vec![2, 16, 16, 3]));
            graph.nodes().iter().map(|n| n.op.name()).collect::<Vec<_>>()
        };
        let everything = AugmentConfig { blur_probability: 0.5, solarize: 0.2, ..AugmentConfig::default() };
        let all = ["crop", "color_jitter", "gaussian_blur", "solarize"];
        assert_eq!(nodes(&everything, ViewOptions::training), all);
        assert_eq!(nodes(&everything, ViewOptions::evaluation), ["crop"]);
        let plain = AugmentConfig { jitter_probability: 0.0, grayscale: 0.0, ..AugmentConfig::default() };
        assert_eq!(nodes(&plain, ViewOptions::training), ["crop"]);
    }

    #[test]
    fn a_draw_becomes_its_row() {
        let draw = ViewDraws {
            image: 7,
            view: 1,
            top: 1,
            left: 2,
            height: 3,
            width: 4,
            flip: true,
            jitter: Some(Jitter {
                brightness: 1.1,
                contrast: 0.9,
                saturation: 1.3,
                hue: -0.05,
                order: [JitterOp::Hue, JitterOp::Brightness, JitterOp::Saturation, JitterOp::Contrast],
            }),
            gray: true,
            blur_sigma: Some(0.5),
            solarize: true,
        };
        let source = Source { offset: 99, width: 6, height: 5, channels: 3 };
        let row = AugmentParams {
            offset: 99,
            width: 6,
            channels: 3,
            top: 1,
            left: 2,
            crop_height: 3,
            crop_width: 4,
            flip: true,
            gray: true,
            jitter: Some(JitterParams { factors: [1.1, 0.9, 1.3, -0.05], order: [3, 0, 2, 1] }),
            sigma: 0.5,
            solarize: true,
        };
        assert_eq!(augment_params(&draw, source), row);
        let plain = ViewDraws { jitter: None, blur_sigma: None, ..draw };
        let words = table_rows(&[draw, plain], |_| source);
        assert_eq!(words[..AugmentParams::WORDS], row.words());
        assert_eq!(words.len(), 2 * AugmentParams::WORDS);
    }

    #[test]
    #[should_panic(expected = "a view that its image does not hold")]
    fn a_crop_outside_its_image_is_refused() {
        let draw = ViewDraws::evaluation(32, 32, 0);
        table_rows(&[draw], |_| Source { offset: 0, width: 28, height: 28, channels: 1 });
    }
}
