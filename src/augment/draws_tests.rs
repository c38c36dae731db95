use super::*;

const N: u32 = 20_000;

fn everything() -> AugmentConfig {
    AugmentConfig { blur_probability: 0.5, solarize: 0.3, ..AugmentConfig::default() }
}

fn many(config: &AugmentConfig, width: u32, height: u32) -> Vec<ViewDraws> {
    (0..N).map(|image| draw(config, width, height, 11, 0, image, 0)).collect()
}

/// Asserts that `values` are uniform over [low, high]: inside, and every tenth part holds its share within 4 standard deviations.
fn assert_uniform(values: &[f64], low: f64, high: f64) {
    let mut counts = [0_f64; 10];
    for value in values {
        assert!((low - 1e-6..=high + 1e-6).contains(value), "{value} outside {low} to {high}");
        counts[(((value - low) / (high - low) * 10.0) as usize).min(9)] += 1.0;
    }
    let n = values.len() as f64;
    let bound = 4.0 * (n * 0.1 * 0.9).sqrt();
    assert!(counts.iter().all(|c| (c - n / 10.0).abs() < bound), "{counts:?} of {n}");
}

fn assert_probability(count: usize, p: f64) {
    let n = f64::from(N);
    assert!((count as f64 - n * p).abs() < 3.0 * (n * p * (1.0 - p)).sqrt(), "{count} of {N}, expected {p}");
}

#[test]
fn crops_that_always_fit_have_uniform_area_and_log_uniform_ratio() {
    // A large image, so that rounding to pixels does not show, and scales so small that every first try fits.
    let config = AugmentConfig { crop_scale: [0.1, 0.5], ..everything() };
    let views = many(&config, 4000, 4000);
    let area: Vec<f64> = views.iter().map(|v| f64::from(v.width) * f64::from(v.height) / 16e6).collect();
    let ratio: Vec<f64> = views.iter().map(|v| (f64::from(v.width) / f64::from(v.height)).ln()).collect();
    // A pixel more or less at the side is 1/1000 of the smallest crop.
    assert!(area.iter().all(|a| (0.0998..0.5005).contains(a)));
    let inside = |v: &[f64], low: f64, high: f64| v.iter().map(|x| x.clamp(low, high)).collect::<Vec<_>>();
    assert_uniform(&inside(&area, 0.1, 0.5), 0.1, 0.5);
    let bound = (4.0_f64 / 3.0).ln();
    assert!(ratio.iter().all(|r| r.abs() < bound + 1e-3));
    assert_uniform(&inside(&ratio, -bound, bound), -bound, bound);
    // The place is uniform over what the size leaves.
    let place: Vec<f64> = views.iter().map(|v| f64::from(v.top) / f64::from(4000 - v.height)).collect();
    assert_uniform(&place, 0.0, 1.0);
    let place: Vec<f64> = views.iter().map(|v| f64::from(v.left) / f64::from(4000 - v.width)).collect();
    assert_uniform(&place, 0.0, 1.0);
}

#[test]
fn crops_stay_inside_whatever_the_image() {
    for (width, height) in [(28, 28), (1, 1), (1, 50), (50, 1), (2, 3), (640, 17), (u32::MAX, u32::MAX)] {
        for image in 0..500 {
            let v = draw(&everything(), width, height, 3, 1, image, 1);
            assert!(v.width >= 1 && v.height >= 1, "{v}");
            assert!(u64::from(v.left) + u64::from(v.width) <= u64::from(width), "{v}");
            assert!(u64::from(v.top) + u64::from(v.height) <= u64::from(height), "{v}");
        }
    }
}

#[test]
fn every_place_is_reached() {
    let config = AugmentConfig { crop_scale: [0.25, 0.25], crop_ratio: [1.0, 1.0], ..everything() };
    let views = many(&config, 4, 4);
    let mut seen = [[0; 3]; 3];
    for v in &views {
        assert_eq!((v.width, v.height), (2, 2));
        seen[v.top as usize][v.left as usize] += 1;
    }
    assert!(seen.iter().flatten().all(|n| *n > N / 9 * 9 / 10), "{seen:?}");
}

#[test]
fn an_image_too_long_for_any_try_gives_its_centre() {
    // Ratio 10 is far outside; only crops of at most 40 x 40 fit, a tenth of the area.
    let config = AugmentConfig { crop_scale: [0.9, 1.0], ..everything() };
    let v = draw(&config, 400, 40, 0, 0, 0, 0);
    assert_eq!((v.left, v.top, v.width, v.height), ((400 - 53) / 2, 0, 53, 40));
    let v = draw(&config, 40, 400, 0, 0, 0, 0);
    assert_eq!((v.left, v.top, v.width, v.height), (0, (400 - 53) / 2, 40, 53));
    // An allowed ratio: the whole image.
    let wide = AugmentConfig { crop_scale: [1.0, 1.0], crop_ratio: [1.0, 1.1], ..everything() };
    let v = (0..100).map(|i| draw(&wide, 105, 100, 0, 0, i, 0)).find(|v| (v.width, v.height) == (105, 100));
    assert_eq!(v.map(|v| (v.top, v.left)), Some((0, 0)));
}

#[test]
fn probabilities_are_those_of_the_configuration() {
    let views = many(&everything(), 32, 32);
    assert_probability(views.iter().filter(|v| v.flip).count(), 0.5);
    assert_probability(views.iter().filter(|v| v.jitter.is_some()).count(), 0.8);
    assert_probability(views.iter().filter(|v| v.gray).count(), 0.2);
    assert_probability(views.iter().filter(|v| v.blur_sigma.is_some()).count(), 0.5);
    assert_probability(views.iter().filter(|v| v.solarize).count(), 0.3);
    // No hidden connection between two of them.
    assert_probability(views.iter().filter(|v| v.flip && v.gray).count(), 0.1);
    assert_probability(views.iter().filter(|v| v.jitter.is_some() && v.blur_sigma.is_some()).count(), 0.4);
    assert_probability(views.iter().filter(|v| v.blur_sigma.is_some() && v.solarize).count(), 0.15);
}

#[test]
fn factors_are_uniform_in_their_ranges() {
    let config = AugmentConfig { contrast: 1.5, ..everything() };
    let views = many(&config, 32, 32);
    let jitters: Vec<Jitter> = views.iter().filter_map(|v| v.jitter).collect();
    let of = |get: fn(&Jitter) -> f32| jitters.iter().map(|j| f64::from(get(j))).collect::<Vec<_>>();
    assert_uniform(&of(|j| j.brightness), 0.6, 1.4);
    assert_uniform(&of(|j| j.contrast), 0.0, 2.5);
    assert_uniform(&of(|j| j.saturation), 0.6, 1.4);
    assert_uniform(&of(|j| j.hue), -0.1, 0.1);
    assert_uniform(&views.iter().filter_map(|v| v.blur_sigma).map(f64::from).collect::<Vec<_>>(), 0.1, 2.0);
}

#[test]
fn all_orders_are_equally_likely() {
    let mut counts = std::collections::HashMap::new();
    let views = many(&AugmentConfig { jitter_probability: 1.0, ..everything() }, 32, 32);
    for jitter in views.iter().filter_map(|v| v.jitter) {
        *counts.entry(jitter.order).or_insert(0_u32) += 1;
    }
    assert_eq!(counts.len(), 24);
    let expected = f64::from(N) / 24.0;
    assert!(counts.values().all(|c| (f64::from(*c) - expected).abs() < 4.0 * expected.sqrt()), "{counts:?}");
}

#[test]
fn a_view_does_not_depend_on_what_was_drawn_before() {
    let config = everything();
    let forward: Vec<ViewDraws> = (0..50).map(|i| draw(&config, 32, 32, 5, 2, i, 1)).collect();
    let backward: Vec<ViewDraws> = (0..50).rev().map(|i| draw(&config, 32, 32, 5, 2, i, 1)).collect();
    assert!(forward.iter().eq(backward.iter().rev()));
    let differ = |other: Vec<ViewDraws>| {
        forward.iter().zip(&other).filter(|(a, b)| (a.left, a.top) != (b.left, b.top)).count() > 30
    };
    assert!(differ((0..50).map(|i| draw(&config, 32, 32, 6, 2, i, 1)).collect()), "seed");
    assert!(differ((0..50).map(|i| draw(&config, 32, 32, 5, 3, i, 1)).collect()), "epoch");
    assert!(differ((0..50).map(|i| draw(&config, 32, 32, 5, 2, i, 0)).collect()), "view");
}

#[test]
fn turning_one_augmentation_off_leaves_the_others() {
    let all = everything();
    let without = |change: fn(&mut AugmentConfig)| {
        let mut config = all.clone();
        change(&mut config);
        many(&config, 32, 32)
    };
    let base = many(&all, 32, 32);
    let same = |other: Vec<ViewDraws>, cut: fn(ViewDraws) -> ViewDraws| {
        assert!(base.iter().zip(other).all(|(a, b)| cut(*a) == b));
    };
    same(without(|c| c.flip = 0.0), |v| ViewDraws { flip: false, ..v });
    same(without(|c| c.jitter_probability = 0.0), |v| ViewDraws { jitter: None, ..v });
    same(without(|c| c.grayscale = 0.0), |v| ViewDraws { gray: false, ..v });
    same(without(|c| c.blur_probability = 0.0), |v| ViewDraws { blur_sigma: None, ..v });
    same(without(|c| c.solarize = 0.0), |v| ViewDraws { solarize: false, ..v });
    same(without(|c| c.hue = 0.0), |v| ViewDraws { jitter: v.jitter.map(|j| Jitter { hue: 0.0, ..j }), ..v });
    same(without(|c| c.brightness = 0.0), |v| ViewDraws {
        jitter: v.jitter.map(|j| Jitter { brightness: 1.0, ..j }),
        ..v
    });
    let whole = AugmentConfig { crop_scale: [1.0, 1.0], crop_ratio: [1.0, 1.0], ..all.clone() };
    same(many(&whole, 32, 32), |v| ViewDraws { top: 0, left: 0, width: 32, height: 32, ..v });
}

/// A seed must keep its meaning: runs are repeated and continued with later versions. Change these lines only on purpose.
#[test]
fn draws_stay_what_they_are() {
    let config = AugmentConfig { blur_probability: 0.5, ..AugmentConfig::default() };
    let lines: Vec<String> = (0..4).map(|image| draw(&config, 32, 32, 42, 7, image, 1).to_string()).collect();
    assert_eq!(
        lines,
        [
            "image 0 view 1: crop 17x16 at (9, 1), blur 0.70, flipped",
            "image 1 view 1: crop 31x31 at (0, 0), saturation 1.04, brightness 1.23, contrast 1.11, hue -0.058, flipped",
            "image 2 view 1: crop 20x20 at (9, 4), hue -0.060, brightness 0.77, contrast 1.23, saturation 0.73",
            "image 3 view 1: crop 32x31 at (0, 1), hue -0.028, contrast 0.74, saturation 1.07, brightness 0.75, gray, blur 0.53",
        ]
    );
}

#[test]
fn evaluation_takes_the_centre_square() {
    let v = ViewDraws::evaluation(28, 28, 3);
    assert_eq!((v.image, v.top, v.left, v.width, v.height), (3, 0, 0, 28, 28));
    let v = ViewDraws::evaluation(31, 20, 0);
    assert_eq!((v.top, v.left, v.width, v.height), (0, 5, 20, 20));
    let v = ViewDraws::evaluation(20, 30, 0);
    assert_eq!((v.top, v.left, v.width, v.height), (5, 0, 20, 20));
    assert!(!v.flip && !v.gray && v.jitter.is_none() && v.blur_sigma.is_none() && !v.solarize);
}

#[test]
fn a_view_reads_as_one_line() {
    let jitter = Jitter {
        brightness: 0.83,
        contrast: 1.2,
        saturation: 1.0,
        hue: -0.05,
        order: [JitterOp::Contrast, JitterOp::Hue, JitterOp::Brightness, JitterOp::Saturation],
    };
    let v = ViewDraws {
        image: 17,
        view: 1,
        top: 3,
        left: 4,
        height: 18,
        width: 20,
        flip: true,
        jitter: Some(jitter),
        gray: true,
        blur_sigma: Some(1.306),
        solarize: true,
    };
    let expected = "image 17 view 1: crop 20x18 at (4, 3), contrast 1.20, hue -0.050, brightness 0.83, gray, blur 1.31, solarized, flipped";
    assert_eq!(v.to_string(), expected);
    assert_eq!(ViewDraws::evaluation(28, 28, 0).to_string(), "image 0 view 0: crop 28x28 at (0, 0)");
}
