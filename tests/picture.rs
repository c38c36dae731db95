//! Sheets of the built-in data, made as a program that uses the library would. They stay in the target folder's `tmp`, to be looked at.

use std::error::Error;
use std::path::Path;

use image::{RgbImage, imageops};
use simsiam::augment::draws::{self, ViewDraws};
use simsiam::config::AugmentConfig;
use simsiam::data::{self, Limits};
use simsiam::picture::{self, ContactRow, ContactSheet, View, ViewRow, ViewSheet};

/// Crop and flip: colours and blur are the kernels' to make, and theirs to test.
fn view(original: &RgbImage, draws: ViewDraws) -> View {
    let draws = ViewDraws { jitter: None, gray: false, blur_sigma: None, solarize: false, ..draws };
    let crop = imageops::crop_imm(original, draws.left, draws.top, draws.width, draws.height);
    let (width, height) = original.dimensions();
    let mut pixels = imageops::resize(&crop.to_image(), width, height, imageops::FilterType::Triangle);
    if draws.flip {
        imageops::flip_horizontal_in_place(&mut pixels);
    }
    View { pixels, draws }
}

#[test]
fn sheets_of_the_demo_are_written() -> Result<(), Box<dyn Error>> {
    let data = data::open(&"demo".parse()?, Limits { train: 200, test: 1, ..Limits::default() })?;
    let images = data.train.in_memory().ok_or("in memory")?;
    let labels = images.labels.as_deref().ok_or("labels")?;
    let (width, height) = (images.width, images.height);
    let image = |index: usize| -> Result<RgbImage, Box<dyn Error>> {
        let bytes = images.image(index).ok_or("an image")?;
        Ok(picture::rgb(width, height, images.channels, bytes).ok_or("pixels")?)
    };

    let config = AugmentConfig::default();
    let mut rows = Vec::new();
    for (index, &label) in labels.iter().enumerate().take(6) {
        let original = image(index)?;
        let draw = |view| draws::draw(&config, width, height, 0, 1, index as u32, view);
        rows.push(ViewRow {
            name: format!("image {index} · {}", data.classes[label as usize]),
            size: [width, height],
            views: [0, 1].map(|number| view(&original, draw(number))).to_vec(),
            original,
        });
    }
    let sheet = ViewSheet {
        title: "What the network sees".to_owned(),
        subtitle: "demo · 6 of 5,000 images · seed 0, epoch 1 · views of 28 × 28 pixels".to_owned(),
        rows,
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join("views.png");
    picture::write(&sheet.svg()?, &file)?;
    let (wide, high) = image::image_dimensions(&file)?;
    assert!((1600..2400).contains(&wide) && high > 3000, "{wide}x{high}");

    let mut rows = Vec::new();
    for (class, name) in data.classes.iter().enumerate() {
        let of = |&(_, label): &(usize, &u32)| *label as usize == class;
        let members: Vec<usize> = labels.iter().enumerate().filter(of).map(|(i, _)| i).collect();
        let shown = members.iter().take(ContactSheet::COLUMNS);
        rows.push(ContactRow {
            class: Some(name.clone()),
            count: members.len(),
            images: shown.map(|&index| image(index)).collect::<Result<_, _>>()?,
        });
    }
    let sheet = ContactSheet {
        title: "demo".to_owned(),
        subtitle: "200 training images in 10 classes · 28 × 28 pixels, gray".to_owned(),
        rows,
    };
    let file = folder.join("contact.png");
    picture::write(&sheet.svg()?, &file)?;
    let (wide, high) = image::image_dimensions(&file)?;
    assert!((1600..2400).contains(&wide) && high > 1400, "{wide}x{high}");
    Ok(())
}
