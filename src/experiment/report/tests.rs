//! Reports of runs that no device has made.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::*;
use crate::config::Config;
use crate::experiment::{Definition, ExperimentPlan, Folder};
use crate::train::RunFolder;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// How a made-up run goes.
enum End {
    Healthy,
    Collapsed,
    Diverged,
    Unfinished,
}

const STEPS: u64 = 300;
const EPOCHS: u64 = 10;

/// A run of 10 epochs of 30 steps as the trainer writes it.
fn fake(path: &Path, config: &Config, end: End) -> Result {
    let folder = RunFolder::create(path, config)?;
    let mut text = String::new();
    let healthy = 1.0 / (config.model.dim as f64).sqrt();
    let noise = |step: u64| ((step * 7919 + config.run.seed * 104_729) % 1000) as f64 / 1000.0 - 0.5;
    let good = !matches!(end, End::Collapsed);
    let until = match end {
        End::Healthy | End::Collapsed => STEPS,
        End::Diverged => 70,
        End::Unfinished => 100,
    };
    writeln!(
        text,
        r#"{{"event":"start","adapter":"Test <adapter>","backend":"Vulkan","driver":"test 1.0","parameters":123456,"train_images":5000,"test_images":1000,"epochs":{EPOCHS},"steps":{STEPS},"dim":{}}}"#,
        config.model.dim
    )?;
    let numbers = |step: u64| {
        let t = step as f64 / STEPS as f64;
        let fall = 1.0 - (-6.0 * t).exp();
        let loss = if good { -0.85 * fall } else { -0.99 * (1.0 - (-40.0 * t).exp()) } + 0.06 * noise(step);
        let std = if good { healthy * (0.8 + 0.15 * fall) } else { healthy * (0.9 * (-30.0 * t).exp() + 0.02) };
        let rank = if good { 8.0 + 16.0 * fall } else { 7.0 * (-20.0 * t).exp() + 1.2 };
        let knn = 0.42 + if good { 0.25 * fall } else { -0.1 * fall } + 0.02 * noise(step + 3);
        (loss, std * (1.0 + 0.05 * noise(step + 1)), rank, knn)
    };
    for step in 0..=until {
        let epoch = step.div_ceil(STEPS / EPOCHS);
        let (loss, std, rank, knn) = numbers(step);
        if step > 0 {
            writeln!(
                text,
                r#"{{"event":"step","step":{step},"epoch":{epoch},"loss":{loss},"output_std":{std},"lr":0.1,"predictor_lr":0.1,"images_per_second":{},"gradient_norm":{},"view_cosine":{}}}"#,
                640.0 + noise(step),
                0.3 + 0.2 * noise(step),
                -loss
            )?;
        }
        if step > 0 && step.is_multiple_of(STEPS / EPOCHS) {
            let channels: Vec<f64> = (0..config.model.dim as u64).map(|i| std * (1.0 + 0.4 * noise(i))).collect();
            writeln!(
                text,
                r#"{{"event":"watch","step":{step},"epoch":{epoch},"effective_rank":{rank},"channel_std":{channels:?}}}"#
            )?;
        }
        if step.is_multiple_of(STEPS / EPOCHS) {
            writeln!(
                text,
                r#"{{"event":"epoch","epoch":{epoch},"loss":{loss},"output_std":{std},"effective_rank":{rank},"knn_top1":{knn},"seconds":7.5}}"#
            )?;
        }
    }
    text += &match end {
        End::Healthy => format!("{{\"event\":\"done\",\"steps\":{STEPS},\"seconds\":75.0}}\n"),
        End::Collapsed => format!(
            "{{\"event\":\"alarm\",\"step\":40,\"kind\":\"collapse\",\"message\":\"output std 0.01 <b>\",\"advice\":\"Keep stop-gradient.\"}}\n{{\"event\":\"done\",\"steps\":{STEPS},\"seconds\":75.0}}\n"
        ),
        End::Diverged => "{\"event\":\"failed\",\"step\":70,\"message\":\"the loss is NaN\"}\n".into(),
        End::Unfinished => "{\"event\":\"step\",\"st".into(),
    };
    fs::write(folder.metrics(), text)?;
    Ok(())
}

/// The SVG elements of a page, each of which must be readable by itself; and what must hold for any page.
fn check(page: &str) -> Result<usize> {
    for element in
        ["section", "table", "figure", "details", "svg", "main", "ul", "ol", "dl", "tr", "p", "small", "h3", "a", "div"]
    {
        let open = page.matches(&format!("<{element}>")).count() + page.matches(&format!("<{element} ")).count();
        assert_eq!(open, page.matches(&format!("</{element}>")).count(), "<{element}>");
    }
    for part in ["http://", "https://", "<script", "<link", "<img"] {
        let rest = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!rest.contains(part), "{part}: a report needs nothing else");
    }
    let mut charts = 0;
    let mut ids = std::collections::HashSet::new();
    for part in page.split("<svg class=\"chart\"").skip(1) {
        let end = part.find("</svg>").ok_or("an SVG without an end")?;
        let svg = format!("<svg{}</svg>", &part[..end]);
        resvg::usvg::Tree::from_str(&svg, &resvg::usvg::Options::default())?;
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(svg.contains("<title") && svg.contains("<desc"));
        let id = svg.split("aria-labelledby=\"").nth(1).and_then(|rest| rest.split('"').next());
        assert!(ids.insert(id.map(str::to_owned)), "{id:?} twice");
        charts += 1;
    }
    Ok(charts)
}

/// Also the report to look at: `SIMSIAM_LOOK=DIR cargo test --lib experiment::report` leaves its files there.
#[test]
fn a_report_shows_every_variant_however_it_ended() -> Result {
    let parent = tempfile::tempdir()?;
    let path = match std::env::var_os("SIMSIAM_LOOK") {
        Some(path) => path.into(),
        None => parent.path().join("experiments"),
    };
    let base = Config::preset("demo")?;
    let folder = Folder::open(&path, &base)?;
    folder.make(&base)?;
    let definitions = ["stop-gradient", "predictor", "similarity", "dimension", "batch-size"];
    let definitions: std::result::Result<Vec<_>, _> =
        definitions.iter().map(|name| Definition::built_in(name)).collect();
    let plan = ExperimentPlan::new(definitions?, &base, 3)?;
    for (i, run) in plan.runs.iter().enumerate() {
        let text = |key| run.config.text(key).unwrap_or_default();
        let (stop, predictor) = (text("method.stop_gradient"), text("method.predictor"));
        let end = match (stop.as_str(), predictor.as_str(), run.config.run.seed) {
            ("false", ..) | (_, "none", _) => End::Collapsed,
            (_, "frozen", 2) => End::Diverged,
            (_, "frozen", 1) => End::Unfinished,
            _ => End::Healthy,
        };
        if i + 1 < plan.runs.len() {
            fake(&folder.run(&run.name), &run.config, end)?;
        }
    }
    let runs = folder.runs()?;
    let missing: Vec<&str> = plan.missing(&runs).map(|run| run.name.as_str()).collect();
    assert_eq!(missing, ["predictor=frozen-seed-1", "batch_size=512-seed-2"]);

    let page = fs::read_to_string(experiments(&folder, &plan, &runs)?)?;
    // Two losses of other scales in one of them.
    assert!(check(&page)? > 5 * 4);
    for experiment in &plan.experiments {
        for (variant, config) in experiment.variants() {
            assert!(page.contains(&Definition::label(variant, config)), "{}", variant.name);
            assert!(page.contains(&variant.paper), "{}", variant.paper);
        }
        let png = path.join(format!("{}.png", experiment.definition.name));
        assert!(image::open(png)?.width() > 1000);
    }
    for part in [
        "without collapses: 3 of 3 runs",
        "<span class=\"verdict reproduced\">reproduced</span>: with stop-gradient classifies better than without",
        "diverged at step 70",
        "unfinished: step 100 of 300",
        "output std 0.01 &lt;b&gt;<br>What usually helps: Keep stop-gradient.",
        "Test &lt;adapter&gt; (Vulkan, driver test 1.0)",
        "<code>method.stop_gradient = false</code>",
        "href=\"#dimension\"",
    ] {
        assert!(page.contains(part), "{part}");
    }

    // An experiment whose runs are all there is shown with another that is asked for.
    let plan = ExperimentPlan::new(vec![Definition::built_in("similarity")?], &base, 1)?;
    let page = fs::read_to_string(experiments(&folder, &plan, &runs)?)?;
    assert!(
        page.contains("id=\"similarity\"")
            && page.contains("id=\"stop-gradient\"")
            && !page.contains("id=\"symmetry\"")
    );
    Ok(())
}

#[test]
fn any_runs_are_laid_side_by_side() -> Result {
    let parent = tempfile::tempdir()?;
    let mut config = Config::preset("demo")?;
    let at = |name: &str| parent.path().join(name);
    for seed in 0..2 {
        config.run.seed = seed;
        fake(&at(&format!("plain-{seed}")), &config, End::Healthy)?;
    }
    config.set("model.dim=64")?;
    fake(&at("narrow & <odd>"), &config, End::Unfinished)?;
    config.set("optim.lr=0.1")?;
    let begun = RunFolder::create(&at("not begun"), &config)?;
    fs::remove_dir(begun.checkpoints())?;
    let out = at("all.html");
    compare(&runs_at(parent.path())?, &out)?;
    let page = fs::read_to_string(&out)?;
    check(&page)?;
    for part in [
        "4 runs side by side",
        "narrow &amp; &lt;odd&gt;",
        "plain",
        "not begun",
        "unfinished: step 100 of 300",
        "<code>model.dim</code>",
        "<code>optim.lr</code>",
        "Output std × \u{221A}d",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<code>run.seed</code>"));
    assert!(image::open(at("all.png"))?.width() > 1000);

    // By itself.
    let out = at("one.html");
    compare(&runs_at(&at("not begun"))?, &out)?;
    check(&fs::read_to_string(&out)?)?;
    let nowhere = at("no/such.html");
    assert!(
        compare(&runs_at(&at("plain-0"))?, &nowhere)
            .is_err_and(|e| e.to_string().contains("such.html cannot be written"))
    );
    Ok(())
}
