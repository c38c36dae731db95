//! The pictures as wholes: well-formed, exact where they promise it, and never half written.

use std::fs;

use image::{Rgb, RgbImage};
use resvg::usvg::roxmltree::Document;

use super::*;
use crate::augment::{Jitter, JitterOp, ViewDraws};

const HOSTILE: &str = "<&\"> 'a' ]]> \u{0}\u{1}\u{FFFF}\n\t🐈 \u{202E}gpj שלום &amp; <script/>";

fn noise(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let n = (x * 31 + y * 17).wrapping_mul(2_654_435_761) >> 8;
        Rgb([n as u8, (n >> 8) as u8, (n >> 4) as u8])
    })
}

fn draws(width: u32, height: u32) -> ViewDraws {
    ViewDraws { top: 0, left: 0, width, height, ..ViewDraws::evaluation(width, height, 0) }
}

fn row(name: &str, original: RgbImage, side: u32) -> ViewRow {
    let (width, height) = original.dimensions();
    let view = |_| View { pixels: noise(side, side), draws: draws(width, height) };
    ViewRow { name: name.to_owned(), size: [width, height], original, views: [0, 1].map(view).to_vec() }
}

fn views(rows: Vec<ViewRow>) -> String {
    let sheet = ViewSheet { title: HOSTILE.to_owned(), subtitle: "demo".to_owned(), rows };
    sheet.svg().expect("an SVG")
}

fn texts(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).expect("well-formed XML");
    let text = |node: resvg::usvg::roxmltree::Node| node.text().unwrap_or("").replace('\u{200E}', "");
    let is_text = |node: &resvg::usvg::roxmltree::Node| node.has_tag_name("text");
    document.descendants().filter(is_text).map(text).collect()
}

/// The picture as a PNG, read back.
fn drawn(svg: &str) -> RgbImage {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.PNG");
    write(svg, &file).expect("a PNG");
    let left: Vec<_> = fs::read_dir(folder.path()).expect("a folder").collect();
    assert_eq!(left.len(), 1, "only the picture is left behind");
    let bytes = fs::read(file).expect("the picture");
    image::load_from_memory(&bytes).expect("a readable PNG").into_rgb8()
}

/// Size of an SVG in units.
fn size(svg: &str) -> [u32; 2] {
    let document = Document::parse(svg).expect("well-formed XML");
    ["width", "height"].map(|side| {
        let text = document.root_element().attribute(side).expect("a size");
        text.parse().expect("whole units")
    })
}

/// Whether `part` lies somewhere in `picture`, pixel for pixel.
fn holds(picture: &RgbImage, part: &RgbImage) -> bool {
    let (width, height) = part.dimensions();
    let equal = |x: u32, y: u32| part.enumerate_pixels().all(|(i, j, pixel)| picture.get_pixel(x + i, y + j) == pixel);
    (0..=picture.height() - height).any(|y| (0..=picture.width() - width).any(|x| equal(x, y)))
}

#[test]
fn a_view_is_shown_pixel_by_pixel() {
    // Enlarged by 15, by 2, and as it is.
    for (side, times) in [(28, 15), (224, 2), (400, 1)] {
        let svg = views(vec![row("a", noise(50, 40), side)]);
        let picture = drawn(&svg);
        assert_eq!([picture.width(), picture.height()], size(&svg).map(|side| 2 * side));
        let shown = raster::enlarge(&noise(side, side), times);
        assert!(holds(&picture, &shown), "views of {side} pixels");
    }
}

#[test]
fn names_are_text_and_nothing_else() {
    let long = "x".repeat(300) + ".jpeg";
    let svg = views(vec![row(HOSTILE, noise(8, 8), 8), row(&long, noise(8, 8), 8)]);
    let texts = texts(&svg);
    let clean = "<&\"> 'a' ]]> \u{FFFD}\u{FFFD}\u{FFFD}  🐈 \u{FFFD}gpj שלום &amp; <script/>";
    assert_eq!(texts.iter().filter(|text| *text == clean).count(), 2, "{texts:?}");
    let short = texts.iter().find(|text| text.contains('…')).expect("a short name");
    assert!(short.starts_with("xxx") && short.ends_with("xxx.jpeg"), "{short}");
    drawn(&svg);
}

#[test]
fn images_of_any_shape_and_none_are_drawn() {
    let shapes = [(1, 1), (20_000, 20), (20, 20_000), (500, 375), (0, 0), (3, 0)];
    let rows = shapes.map(|(width, height)| row("a", RgbImage::new(width, height), 1));
    for svg in [views(rows.into()), views(Vec::new())] {
        let picture = drawn(&svg);
        assert_eq!([picture.width(), picture.height()], size(&svg).map(|side| 2 * side));
    }
    // Reduced beforehand, the crops lie where they lay.
    let mut whole = row("a", noise(3000, 2250), 32);
    whole.views[0].draws.left = 1500;
    let mut small = whole.clone();
    small.original = reduced(small.original, ViewSheet::ORIGINAL_SIDE);
    assert_eq!(small.original.dimensions(), (1000, 750));
    let boxes = |row: ViewRow| -> Vec<String> {
        let svg = views(vec![row]);
        let lines = svg.lines().filter(|line| line.contains("stroke-dasharray"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(boxes(whole), boxes(small));
}

#[test]
fn what_was_drawn_is_written_in_its_order() {
    let mut row = row("image 3", noise(40, 20), 16);
    row.views[0].draws = ViewDraws {
        image: 3,
        view: 0,
        top: 2,
        left: 5,
        height: 10,
        width: 20,
        flip: true,
        jitter: Some(Jitter {
            brightness: 0.75,
            contrast: 1.0,
            saturation: 1.333,
            hue: -0.05,
            order: [JitterOp::Hue, JitterOp::Saturation, JitterOp::Contrast, JitterOp::Brightness],
        }),
        gray: false,
        blur_sigma: Some(1.314),
        solarize: false,
    };
    let texts = texts(&views(vec![row]));
    let start = texts.iter().position(|text| text == "crop").expect("the draws");
    let expected = "crop| px|20 × 10|left, top| px|5, 2|area| %|25.0|flip||yes|hue|°|\u{2212}18.0|saturation||× 1.33|contrast|–|\
        brightness||× 0.75|gray|–|blur| px|σ 1.31|solarized|–";
    let expected: Vec<&str> = expected.split('|').collect();
    assert_eq!(texts[start..start + expected.len()], expected);
    // View 2: the whole image, and nothing else.
    let rest = texts[start + expected.len()..].join("|");
    assert!(
        rest.starts_with("crop| px|40 × 20|left, top| px|0, 0|area| %|100.0|flip|–|brightness|–|contrast|–|saturation|–|hue|–|gray|–|blur|–|solarized|–|"),
        "{rest}"
    );
}

#[test]
fn a_contact_sheet_names_and_counts_its_classes() {
    let class =
        |n: usize| ContactRow { class: Some(format!("class {n}")), count: 1000 * n, images: vec![noise(32, 32); 20] };
    let sheet = |rows| ContactSheet { title: "cifar10:data".to_owned(), subtitle: String::new(), rows };
    let svg = sheet((1..=250).map(class).collect()).svg().expect("an SVG");
    let texts = texts(&svg);
    for text in ["class 1", "1,000", "class 200", "200,000", "50 more rows are not shown."] {
        assert!(texts.iter().any(|t| t == text), "{text}");
    }
    assert_eq!(svg.matches("<image").count(), 200 * ContactSheet::COLUMNS);

    // Without classes the images begin at the margin; four times as large they fill their cells.
    let flat = ContactRow { class: None, ..class(1) };
    let svg = sheet(vec![flat]).svg().expect("an SVG");
    assert!(svg.contains("<image x=\"40\""));
    assert!(holds(&drawn(&svg), &raster::enlarge(&noise(32, 32), 4)));
    drawn(&sheet(Vec::new()).svg().expect("an SVG"));
}

#[test]
fn what_cannot_be_written_is_said_and_leaves_what_was_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let svg = views(Vec::new());
    let message = |svg: &str, name: &str| {
        let error = write(svg, &folder.path().join(name)).expect_err(name);
        error.to_string()
    };
    for name in ["a.jpg", "a", ".png"] {
        let message = message(&svg, name);
        assert!(message.contains(name) && message.contains("as .png or .svg"), "{message}");
    }
    assert!(message(&svg, "none/a.png").contains("cannot be written"));

    let file = folder.path().join("a.svg");
    write(&svg, &file).expect("an SVG");
    assert_eq!(fs::read_to_string(&file).expect("the SVG"), svg);
    fs::write(folder.path().join("b.png"), "before").expect("a file");
    let tall = svg.replace("<svg ", "<svg x=\"0\" ");
    let height = format!(" height=\"{}\"", size(&svg)[1]);
    let tall = tall.replacen(&height, " height=\"20000\"", 1);
    assert!(message(&tall, "b.png").contains("x40000 pixels"));
    let kept = fs::read_to_string(folder.path().join("b.png")).expect("the file");
    assert_eq!(kept, "before");
}
