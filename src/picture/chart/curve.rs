//! Curves: their mean, and as much of them as can be seen.

/// Points `[x, y]` in the order of x. Where y is no number the curve has a gap.
pub type Curve = Vec<[f64; 2]>;

/// The last point with a number.
pub(super) fn last(curve: &[[f64; 2]]) -> Option<[f64; 2]> {
    curve.iter().rev().find(|point| point[1].is_finite()).copied()
}

/// The mean of some curves at the points of the first, as far as all of them reach.
pub(super) fn mean(curves: &[Curve]) -> Curve {
    let Some((first, rest)) = curves.split_first() else {
        return Vec::new();
    };
    let reach = |curve: &Curve| curve.last().map_or(f64::NEG_INFINITY, |point| point[0]);
    let end = curves.iter().map(reach).fold(f64::INFINITY, f64::min);
    let points = first.iter().take_while(|[x, _]| *x <= end + 1e-9);
    points
        .map(|&[x, y]| {
            let sum = rest.iter().fold(y, |sum, curve| sum + value_at(curve, x));
            [x, sum / curves.len() as f64]
        })
        .collect()
}

/// Between two points of a curve, on the line between them; outside, the nearest point's.
fn value_at(curve: &[[f64; 2]], x: f64) -> f64 {
    let after = curve.partition_point(|point| point[0] < x);
    match (after.checked_sub(1).and_then(|before| curve.get(before)), curve.get(after)) {
        (Some(&[x0, y0]), Some(&[x1, y1])) if x1 > x0 => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
        (_, Some(&[_, y])) | (Some(&[_, y]), None) => y,
        (None, None) => f64::NAN,
    }
}

/// The curve with at most four points in each of `columns` stretches of equal width up to `width`: the first, the lowest, the highest
/// and the last, so that no peak is lost. Gaps stay.
pub(super) fn reduced(curve: &[[f64; 2]], width: f64, columns: usize) -> Curve {
    if curve.len() <= 4 * columns {
        return curve.to_vec();
    }
    let column = |point: &[f64; 2]| {
        let column = (point[0] / width * columns as f64) as usize;
        (column, point[1].is_finite())
    };
    let mut kept = Vec::new();
    for stretch in curve.chunk_by(|a, b| column(a) == column(b)) {
        let indices = 0..stretch.len();
        let y = |&i: &usize| stretch[i][1];
        let least = indices.clone().min_by(|a, b| y(a).total_cmp(&y(b)));
        let most = indices.max_by(|a, b| y(a).total_cmp(&y(b)));
        let mut keep = [Some(0), least, most, stretch.len().checked_sub(1)];
        keep.sort();
        let mut keep: Vec<usize> = keep.into_iter().flatten().collect();
        keep.dedup();
        kept.extend(keep.into_iter().map(|i| stretch[i]));
    }
    kept
}
