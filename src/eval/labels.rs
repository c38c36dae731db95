//! Which labels an evaluation may see: a part of them, as published work reports it (1 %, 10 %, all).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::data::{Dataset, ImageSet, Subset};
use crate::random::{Draw, Purpose};

/// The same data with `percent` (above 0, to 100) of its labelled training images, rounded, at least one a class: as many of every class as there
/// are, drawn at random. A class with fewer gives all of them and the others more. The images of a smaller part are in every larger one of
/// the same seed.
pub fn with_label_percent(data: &Dataset, percent: f64, seed: u64) -> Dataset {
    let bank = data.bank();
    let drawn = bank.labels().filter(|_| percent < 100.0).map(|labels| draw(labels, percent, seed));
    let part = drawn.map(|images| Arc::new(Subset::new(bank.clone(), images)) as Arc<dyn ImageSet>);
    Dataset { bank: part.or_else(|| data.bank.clone()), ..data.clone() }
}

/// The images that are drawn, rising.
fn draw(labels: &[u32], percent: f64, seed: u64) -> Vec<u32> {
    let mut classes: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (image, &label) in (0..).zip(labels) {
        classes.entry(label).or_default().push(image);
    }
    let count = (labels.len() as f64 * percent / 100.0).round() as usize;
    let count = count.clamp(classes.len(), labels.len());
    // Epoch 1 is the order of the classes: where the number is no multiple of theirs, chance says which get one more.
    let mut order: Vec<u32> = classes.keys().copied().collect();
    shuffle(&mut order, Draw::new(seed, Purpose::LabelDraw, 1, 0, 0));
    for (&class, images) in &mut classes {
        shuffle(images, Draw::new(seed, Purpose::LabelDraw, 0, class, 0));
    }
    let largest = classes.values().map(Vec::len).max().unwrap_or(0);
    let rounds = (0..largest).flat_map(|round| order.iter().map(move |class| (class, round)));
    let in_turn = rounds.filter_map(|(class, round)| classes.get(class)?.get(round).copied());
    let mut images: Vec<u32> = in_turn.take(count).collect();
    images.sort_unstable();
    images
}

/// Fisher-Yates.
fn shuffle(values: &mut [u32], mut draw: Draw) {
    for last in (1..values.len()).rev() {
        values.swap(last, draw.below(last as u32 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(labels: &[u32], drawn: &[u32]) -> Vec<usize> {
        let classes = labels.iter().max().map_or(0, |&most| most + 1);
        let of = |class: u32| drawn.iter().filter(|&&image| labels[image as usize] == class).count();
        (0..classes).map(of).collect()
    }

    #[test]
    fn labels_are_drawn_evenly_and_the_same_with_the_same_seed() {
        let labels: Vec<u32> = (0..5000).map(|i| i * 7 % 10).collect();
        let one = draw(&labels, 1.0, 3);
        assert_eq!(counts(&labels, &one), [5; 10]);
        assert!(one.is_sorted_by(|a, b| a < b), "no image twice");
        assert_eq!(draw(&labels, 1.0, 3), one);
        let shared = |other: &[u32]| other.iter().filter(|image| one.contains(image)).count();
        assert!(shared(&draw(&labels, 1.0, 4)) < 10, "another seed draws others");
        // More labels are the same and others.
        let ten = draw(&labels, 10.0, 3);
        assert_eq!((counts(&labels, &ten), shared(&ten)), (vec![50; 10], 50));
        // Nothing of where an image lies, and of its class alone, says whether it is drawn.
        let middle = ten.iter().filter(|&&image| (1250..3750).contains(&image)).count();
        assert!((190..310).contains(&middle), "{middle} of 500 are in the middle half");
    }

    #[test]
    fn every_class_has_a_label_and_small_ones_give_all() {
        // Of 100, 10, 1 and no image, and of 89.
        let labels: Vec<u32> = [(0, 100), (1, 10), (2, 1), (4, 89)].iter().flat_map(|&(c, n)| vec![c; n]).collect();
        assert_eq!(counts(&labels, &draw(&labels, 0.1, 0)), [1, 1, 1, 0, 1]);
        assert_eq!(counts(&labels, &draw(&labels, 20.0, 0))[1..4], [10, 1, 0]);
        let some = counts(&labels, &draw(&labels, 20.0, 0));
        assert_eq!((some.iter().sum::<usize>(), some[0].abs_diff(some[4])), (40, 1));
        assert_eq!(draw(&labels, 100.0, 0).len(), 200);
        assert!(draw(&[], 1.0, 0).is_empty());
    }
}
