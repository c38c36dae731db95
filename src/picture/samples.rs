//! The contact sheet of a data set: evenly spread images of each class, or of the whole where there are no classes.

use std::sync::Arc;

use image::RgbImage;

use super::contact::{ContactRow, ContactSheet, MAX_ROWS, SHOWN_SIDE};
use super::raster;
use crate::data::{Dataset, ImageSet, Prefetch, threads};

/// Rows of a sheet without classes.
const GRID_ROWS: usize = 10;

/// Images of one row: as many as are shown, and those that stand in where one cannot be read.
struct Row {
    class: Option<String>,
    count: usize,
    /// A place's image, or the next of these that can be read.
    places: Vec<Vec<u32>>,
}

impl ContactSheet {
    /// Of the labelled images: those to train on, or those that vote in kNN; where there are no labels, a grid of images to train on.
    /// An image that cannot be read is left out, and another of its class is shown.
    pub fn of(data: &Dataset, title: String, subtitle: String) -> ContactSheet {
        let labelled = [&data.train, data.bank()].into_iter().find_map(|set| Some((set, set.labels()?)));
        let (set, rows) = match labelled {
            Some((set, labels)) => (set, by_class(labels, &data.classes)),
            None => (&data.train, grid(data.train.len())),
        };
        ContactSheet { title, subtitle, rows: shown(set, rows) }
    }
}

fn by_class(labels: &[u32], classes: &[String]) -> Vec<Row> {
    let mut images = vec![Vec::new(); classes.len()];
    for (image, &label) in labels.iter().enumerate() {
        // A label without a name has no row to stand in.
        if let Some(images) = images.get_mut(label as usize) {
            images.push(image as u32);
        }
    }
    let rows = images.into_iter().zip(classes).enumerate();
    rows.map(|(index, (images, class))| Row {
        class: Some(class.clone()),
        count: images.len(),
        places: match index {
            0..MAX_ROWS => spread(&images, ContactSheet::COLUMNS),
            _ => Vec::new(),
        },
    })
    .collect()
}

fn grid(len: usize) -> Vec<Row> {
    let images: Vec<u32> = (0..len as u32).collect();
    let places = spread(&images, GRID_ROWS * ContactSheet::COLUMNS);
    places
        .chunks(ContactSheet::COLUMNS)
        .map(|places| Row { class: None, count: places.len(), places: places.to_vec() })
        .collect()
}

/// Cuts `images` into at most `count` stretches of one length, give or take one.
fn spread(images: &[u32], count: usize) -> Vec<Vec<u32>> {
    let count = count.min(images.len());
    let cut = |place: usize| place * images.len() / count;
    (0..count).map(|place| images[cut(place)..cut(place + 1)].to_vec()).collect()
}

fn shown(set: &Arc<dyn ImageSet>, rows: Vec<Row>) -> Vec<ContactRow> {
    let (heads, places): (Vec<_>, Vec<_>) =
        rows.into_iter().map(|row| ((row.class, row.count, row.places.len()), row.places)).unzip();
    let places = places.concat();
    let (set, count, threads) = (set.clone(), places.len() as u64, threads(0) + 1);
    let read = move |place: u64| {
        let images = places[place as usize].iter();
        images.filter_map(|&image| thumbnail(&*set, image)).next()
    };
    let mut images = Prefetch::new(threads, 4 * threads, 0..count, read);
    heads
        .into_iter()
        .map(|(class, count, places)| ContactRow {
            class,
            count,
            images: images.by_ref().take(places).flatten().collect(),
        })
        .collect()
}

fn thumbnail(set: &dyn ImageSet, image: u32) -> Option<RgbImage> {
    let image = set.read(image as usize).ok()?;
    let pixels = raster::rgb(image.width, image.height, image.channels, &image.pixels)?;
    Some(raster::reduced(pixels, SHOWN_SIDE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Images;

    /// Gray images of one pixel; `labels` a class each.
    fn data(count: u8, labels: Option<Vec<u32>>, classes: &[&str]) -> Dataset {
        let images = Images::new(1, 1, 1, (0..count).collect(), labels).unwrap();
        let none = Images { pixels: Vec::new(), labels: None, ..images.clone() };
        Dataset {
            classes: classes.iter().map(|&c| c.to_owned()).collect(),
            ..Dataset::new(Arc::new(images), Arc::new(none))
        }
    }

    fn pixels(row: &ContactRow) -> Vec<u8> {
        row.images.iter().map(|i| i.get_pixel(0, 0).0[0]).collect()
    }

    #[test]
    fn a_class_shows_images_from_all_over_it() {
        let labels = (0..100).map(|i| u32::from(i % 4 == 3)).collect();
        let data = data(100, Some(labels), &["most", "some", "none"]);
        let sheet = ContactSheet::of(&data, String::new(), String::new());
        let counts: Vec<usize> = sheet.rows.iter().map(|row| row.count).collect();
        assert_eq!(counts, [75, 25, 0]);
        // 25 images in 12 places: every second one.
        assert_eq!(pixels(&sheet.rows[1]), [3, 11, 19, 27, 35, 43, 51, 59, 67, 75, 83, 91]);
        assert_eq!(pixels(&sheet.rows[0]).len(), ContactSheet::COLUMNS);
        assert!(pixels(&sheet.rows[2]).is_empty());
    }

    #[test]
    fn without_labels_a_grid() {
        let sheet = ContactSheet::of(&data(250, None, &[]), String::new(), String::new());
        assert_eq!(sheet.rows.len(), GRID_ROWS);
        assert!(sheet.rows.iter().all(|row| row.class.is_none()));
        let all: Vec<u8> = sheet.rows.iter().flat_map(pixels).collect();
        assert_eq!(all.len(), 120);
        assert!(all.is_sorted() && (all[0], all[119]) == (0, 247));
        let few = ContactSheet::of(&data(5, None, &[]), String::new(), String::new());
        assert_eq!(pixels(&few.rows[0]), [0, 1, 2, 3, 4]);
    }

    /// Every second image is broken.
    #[derive(Debug)]
    struct Broken(Images);

    impl ImageSet for Broken {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn read(&self, index: usize) -> Result<crate::data::Image<'_>, crate::data::DataError> {
            let broken = index.is_multiple_of(2);
            self.0.read(if broken { usize::MAX } else { index })
        }
        fn labels(&self) -> Option<&[u32]> {
            None
        }
    }

    #[test]
    fn another_image_stands_in_for_a_broken_one() {
        let mut data = data(240, None, &[]);
        let images = data.train.in_memory().unwrap().clone();
        data.train = Arc::new(Broken(images));
        let sheet = ContactSheet::of(&data, String::new(), String::new());
        let all: Vec<u8> = sheet.rows.iter().flat_map(pixels).collect();
        assert!(all.iter().copied().eq((0..120).map(|i| 2 * i + 1)));
    }
}
