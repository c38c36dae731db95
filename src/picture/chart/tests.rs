use super::names::spread;
use super::*;
use crate::format;

fn chart(lines: Vec<Line>) -> Chart {
    Chart {
        title: "Loss <&>".into(),
        lines,
        references: vec![Reference { label: "healthy".into(), y: 0.5 }],
        ..Chart::default()
    }
}

fn line(label: &str, look: usize, curves: Vec<Curve>) -> Line {
    Line { label: label.into(), look, curves }
}

fn drawn(svg: &str) -> resvg::usvg::Tree {
    let options = resvg::usvg::Options::default();
    resvg::usvg::Tree::from_str(svg, &options).expect("SVG that can be read")
}

#[test]
fn any_numbers_make_a_picture() {
    let nan = f64::NAN;
    let many = |curve: Curve| (0..40).map(|i| line(&format!("run <{i}>"), i, vec![curve.clone()])).collect();
    for lines in [
        vec![],
        vec![line("", 0, vec![])],
        vec![line("no number", 1, vec![vec![[0.0, nan], [1.0, nan]]])],
        vec![line("a point", 2, vec![vec![[0.0, 0.0]]])],
        vec![line("level", 3, vec![vec![[0.0, -3.0], [2.0, -3.0]]; 3])],
        vec![line("huge", 4, vec![vec![[0.0, -1e300], [1e9, 1e300], [2e9, f64::INFINITY]]])],
        vec![line("tiny", 5, vec![vec![[0.0, 1e-30], [1e-9, 2e-30]]])],
        many(vec![[0.0, 1.0], [1.0, nan], [2.0, 0.5]]),
    ] {
        let mut chart = chart(lines);
        drawn(&chart.svg("id"));
        chart.references.clear();
        let svg = chart.svg("id");
        drawn(&svg);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(svg.contains("Loss &lt;&amp;&gt;"));
        let charts = [chart.clone(), chart.clone(), chart];
        drawn(&ChartSheet { title: "t", subtitle: "s", charts: &charts, notes: &["n"] }.to_svg());
    }
}

#[test]
fn names_do_not_overlap_and_stay_inside() {
    for wanted in [vec![], vec![5.0], vec![0.0; 6], vec![99.0; 6], vec![1.0, 2.0, 50.0, 98.0, 99.0]] {
        let places = spread(&wanted, 15.0, 10.0, 100.0);
        assert_eq!(places.len(), wanted.len());
        assert!(places.iter().all(|place| (10.0..=100.0).contains(place)), "{places:?}");
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= 15.0 - 1e-9), "{places:?}");
    }
    assert_eq!(spread(&[20.0, 60.0], 15.0, 10.0, 100.0), [20.0, 60.0]);
    assert_eq!(spread(&[50.0; 3], 15.0, 10.0, 100.0), [35.0, 50.0, 65.0]);
}

#[test]
fn a_reduced_curve_keeps_its_extremes_and_gaps() {
    let mut curve: Curve = (0..100_000).map(|i| [f64::from(i), f64::from(i * 7919 % 1000)]).collect();
    curve[31_415][1] = 5000.0;
    curve[31_416][1] = -5000.0;
    curve[70_000][1] = f64::NAN;
    let less = curve::reduced(&curve, 100_000.0, 100);
    assert!(less.len() <= 4 * 100 + 8, "{}", less.len());
    let ys: Vec<f64> = less.iter().map(|point| point[1]).collect();
    assert!(ys.contains(&5000.0) && ys.contains(&-5000.0));
    assert!(ys.iter().any(|y| y.is_nan()));
    assert!(less.is_sorted_by(|a, b| a[0] < b[0]));
    assert_eq!((less[0], less[less.len() - 1]), (curve[0], curve[99_999]));
    let few = curve[..50].to_vec();
    assert_eq!(curve::reduced(&few, 50.0, 100), few);
}

#[test]
fn the_mean_goes_as_far_as_all_curves() {
    let a = vec![[0.0, 1.0], [1.0, 3.0], [2.0, 5.0], [3.0, 7.0]];
    let b = vec![[0.0, 3.0], [2.0, 5.0]];
    assert_eq!(curve::mean(&[a.clone(), b]), [[0.0, 2.0], [1.0, 3.5], [2.0, 5.0]]);
    assert_eq!(curve::mean(&[a.clone(), vec![]]), Curve::new());
    assert_eq!(curve::mean(&[]), Curve::new());
}

#[test]
fn ticks_are_round_and_told_apart() {
    let axis = Axis::around([-0.93, -0.11].into_iter(), 5);
    let ticks: Vec<String> = axis.ticks.iter().map(|t| format::number(*t, axis.digits)).collect();
    assert_eq!(ticks, ["\u{2212}0.8", "\u{2212}0.6", "\u{2212}0.4", "\u{2212}0.2"]);
    assert!(axis.low < -0.93 && axis.high > -0.11);
    for [low, high] in [[0.0, 10.0], [0.0, 0.37], [0.0, 800.0], [-3.2e-4, 5.1e-4], [41.0, 68.0]] {
        let axis = Axis::exact(low, high, 5);
        assert!((2..=7).contains(&axis.ticks.len()), "{axis:?}");
        let texts: std::collections::HashSet<String> =
            axis.ticks.iter().map(|t| format::number(*t, axis.digits)).collect();
        assert_eq!(texts.len(), axis.ticks.len(), "{axis:?}");
    }
}
