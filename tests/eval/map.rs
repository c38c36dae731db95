//! Maps of features.

use simsiam::eval::{FeatureTable, MapMethod, feature_map};
use simsiam::picture::{self, FeatureSheet};

use crate::subject::Result;

#[test]
fn few_or_equal_images_have_a_map_too() {
    for rows in [1, 2, 9, 11, 60] {
        let table = FeatureTable { width: 3, images: (0..rows as u32).collect(), values: [1.0, 2.0, 3.0].repeat(rows) };
        for method in [MapMethod::Pca, MapMethod::Tsne] {
            let map = feature_map(&table, method);
            assert_eq!(map.points.len(), rows);
            let finite = map.points.iter().flatten().all(|v| v.is_finite());
            assert!(finite, "{rows} {method:?}");
        }
    }
}

fn sheet(classes: usize, points: usize) -> FeatureSheet {
    let angle = |i: usize| (i % classes.max(1)) as f64 / classes.max(1) as f64 * std::f64::consts::TAU;
    let noise = |i: usize| (i * 7919 % 101) as f64 / 101.0 - 0.5;
    let point = |i: usize| {
        let radius = 1.0 + (i % classes.max(1) % 7) as f64;
        let (sin, cos) = angle(i).sin_cos();
        [radius * cos + noise(i), radius * sin + noise(i + 31)]
    };
    FeatureSheet {
        title: "<&> \"a\" \u{0}".to_owned(),
        subtitle: "demo".to_owned(),
        points: (0..points).map(point).collect(),
        labels: (classes > 0).then(|| (0..points).map(|i| (i % classes) as u32).collect()),
        classes: (0..classes).map(|c| format!("class <{c}>")).collect(),
        notes: vec!["how it was made".to_owned()],
    }
}

#[test]
fn a_map_has_a_dot_an_image_and_a_line_a_class() -> Result {
    // Colours alone, with numbers, more than are listed, no classes, no images.
    for (classes, points, listed) in [(10, 300, 10), (100, 1500, 100), (200, 400, 144), (0, 50, 0), (3, 0, 0)] {
        let svg = sheet(classes, points).svg();
        assert_eq!(svg.matches("<circle").count(), points + listed, "{classes}");
        assert_eq!(svg.matches("class &lt;").count(), listed, "{classes}");
        let more = svg.contains("56 more classes are not listed");
        assert_eq!(more, classes == 200, "{classes}");
        assert!(svg.contains("&lt;&amp;&gt;") && svg.contains("how it was made"));
    }
    // It can be drawn, and is not only white and gray.
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("map.png");
    picture::write(&sheet(100, 1500).svg(), &file)?;
    let drawn = image::open(&file)?.into_rgb8();
    let colored = |p: &&image::Rgb<u8>| p.0.iter().max().zip(p.0.iter().min()).is_some_and(|(a, b)| a - b > 60);
    assert!(drawn.pixels().filter(colored).count() > 3000);
    Ok(())
}
