//! The window's contents, driven as a user drives them: by what is on the screen.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::accesskit::{Role, Toggled};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use simsiam::app::{App, AppOptions, Record, RunEnd};
use simsiam::config::Config;
use simsiam::train::{Line, RunFolder};
use tempfile::TempDir;

/// The contents in a frame that no screen shows.
struct Window {
    harness: Harness<'static, App>,
}

const SIZE: egui::Vec2 = egui::vec2(1280.0, 800.0);

impl Window {
    fn open(options: AppOptions) -> Window {
        Window::sized(options, SIZE)
    }

    fn sized(options: AppOptions, size: egui::Vec2) -> Window {
        let app = App::new(options, Arc::new(|| {})).expect("presets that can be read");
        let harness = Harness::builder()
            .with_size(size)
            .with_theme(egui::Theme::Dark)
            .with_render_cursor(false)
            .wgpu()
            .build_ui_state(|ui, app: &mut App| app.ui(ui), app);
        Window { harness }
    }

    /// Frame after frame until it is so.
    fn until(&mut self, what: &str, is_so: impl Fn(&Window) -> bool) {
        let began = Instant::now();
        loop {
            self.harness.step();
            if is_so(self) {
                return;
            }
            if began.elapsed() > Duration::from_secs(100) {
                let picture = std::env::temp_dir().join("simsiam-window.png");
                let drawn = self.harness.render().map(|image| image.save(&picture));
                panic!("{what}: not after 100 s; {} ({drawn:?})", picture.display());
            }
            std::thread::sleep(Duration::from_millis(15));
        }
    }

    fn has(&self, text: &str) -> bool {
        self.harness.query_all_by_label_contains(text).next().is_some()
    }

    /// Clicks what is called so, wherever it is scrolled to.
    fn click(&mut self, name: &str) {
        self.harness.get_by_label(name).click_accesskit();
        self.harness.step();
        self.harness.step();
    }

    /// Replaces what stands in the field of this name.
    fn fill(&mut self, field: &str, text: &str) {
        self.fill_role(Role::TextInput, field, text);
    }

    fn fill_multiline(&mut self, field: &str, text: &str) {
        self.fill_role(Role::MultilineTextInput, field, text);
    }

    fn fill_role(&mut self, role: Role, field: &str, text: &str) {
        let node = self.harness.get_by_role_and_label(role, field);
        node.focus();
        self.harness.step();
        self.harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
        self.harness.step();
        let node = self.harness.get_by_role_and_label(role, field);
        node.type_text(text);
        self.harness.step();
        self.harness.step();
    }

    fn app(&self) -> &App {
        self.harness.state()
    }

    fn steps(&self) -> u64 {
        self.app().front().map_or(0, |(_, record)| record.step)
    }

    fn front(&self) -> PathBuf {
        self.app().front().expect("a run").0.to_path_buf()
    }

    /// Settings under which a step takes milliseconds.
    fn fill_tiny(&mut self) {
        self.click("All settings");
        for (field, value) in [
            ("Training images", "96"),
            ("limit test", "24"),
            ("blocks", "[1]"),
            ("Backbone width", "4"),
            ("projector hidden", "16"),
            ("Output width d", "16"),
            ("predictor dim", "4"),
            ("Batch size", "16"),
        ] {
            self.fill(field, value);
        }
    }
}

fn options(folder: &TempDir) -> AppOptions {
    AppOptions { data: Some("demo".to_owned()), out: Some(folder.path().join("runs")), ..AppOptions::default() }
}

#[test]
fn a_run_is_started_paused_stopped_continued_and_compared() {
    let folder = TempDir::new().expect("a folder");
    let mut window = Window::open(options(&folder));
    window.until("the estimate", |w| w.has("5,000 training and 1,000 test images"));
    window.fill_tiny();
    window.fill("Epochs", "4000");
    window.until("the estimate of another run", |w| w.has("24,000 of 16 images, in 4000 epochs"));
    window.click("Start training");
    window.until("steps", |w| w.steps() > 20);
    let (_, record) = window.app().front().expect("the run");
    assert!(record.curve("loss").len() > 20 && record.channels.newest().is_some());
    assert!(record.untrained("knn_top1").is_some());

    window.harness.key_press(egui::Key::Space);
    window.until("the pause", |w| w.has("paused"));
    // What was under way arrives; then nothing more.
    for _ in 0..30 {
        window.harness.step();
        std::thread::sleep(Duration::from_millis(10));
    }
    let paused = window.steps();
    std::thread::sleep(Duration::from_millis(300));
    window.harness.step();
    assert_eq!(window.steps(), paused);
    window.click("Resume");
    window.until("more steps", |w| w.steps() > paused);

    window.click("Stop");
    window.until("the end", |w| w.has("with a checkpoint; the run can be continued"));
    let first = window.front();
    assert!(RunFolder::newest_checkpoint(&first).is_file());
    assert_eq!(first.file_name().and_then(|n| n.to_str()), Some("demo-001"));
    let stopped = window.steps();

    // Its file holds what the window showed.
    let text = std::fs::read_to_string(RunFolder::metrics_of(&first)).expect("metrics");
    let steps = text.lines().filter_map(Line::parse).filter(|l| matches!(l, Line::Step(_)));
    assert_eq!(steps.count() as u64, stopped);

    window.click("Continue this run");
    window.until("it to go on", |w| w.steps() > stopped + 5);
    let (_, record) = window.app().front().expect("the run");
    assert_eq!(record.curve("loss").len() as u64, 1 + record.step, "the steps before are there");
    window.click("Stop");
    window.until("the end", |w| w.has("with a checkpoint; the run can be continued"));

    // Another without stop-gradient, laid over it.
    window.click("Start");
    window.harness.get_by_role_and_label(Role::CheckBox, "stop gradient").click_accesskit();
    window.harness.step();
    window.fill("Epochs", "3");
    window.click("Start training");
    window.until("its end", |w| w.has("The training is done."));
    let (path, record) = window.app().front().expect("the run");
    assert!(path.ends_with("demo-002"));
    assert_eq!((record.step, &record.end), (18, &RunEnd::Done));
    assert_eq!(record.config.text("method.stop_gradient").as_deref(), Some("false"));
    let compare = window.harness.get_by_role_and_label(Role::CheckBox, "Compare demo-001");
    assert_eq!(compare.accesskit_node().toggled(), Some(Toggled::True));
    window.until("both runs in the legend", |w| {
        w.harness.query_all_by_label("demo-001").count() >= 2 && w.harness.query_all_by_label("demo-002").count() >= 2
    });
    window.click("Compare demo-001");
    assert_eq!(window.harness.query_all_by_label("demo-001").count(), 1, "only in the list");
    // Opened again, it is read from its folder.
    window.click("Compare demo-001");
    window.until("all of it", |w| {
        w.app().front().is_some_and(|(path, record)| {
            path.ends_with("demo-001") && record.step > stopped && record.channels.newest().is_some()
        })
    });
}

#[test]
fn what_is_wrong_stands_beside_its_field_and_nothing_starts() {
    let folder = TempDir::new().expect("a folder");
    let mut window = Window::open(options(&folder));
    window.until("the estimate", |w| w.has("5,000 training"));
    window.fill("Batch size", "many");
    assert!(window.has("a whole number, 0 or more"));
    assert!(window.has("optim.batch_size: expected a whole number"));
    window.fill("Batch size", "1");
    assert!(window.has("batch normalisation needs at least 2 images"));
    window.click("Start training");
    assert!(!window.app().is_training(), "the button is off");
    window.click("Reset batch_size");
    assert!(!window.has("batch normalisation needs"));
    // What only the data can tell.
    window.fill("Batch size", "16");
    window.fill("Training images", "10");
    window.until("the data's word", |w| w.has("a batch is larger than the 10 training images"));
    window.click("Reset limit_train");
    window.until("it to be fixed", |w| !w.has("a batch is larger"));
    window.fill("Images", "no/such/folder");
    window.harness.key_press(egui::Key::Enter);
    window.until("the folder's error", |w| w.has("no/such/folder"));
    window.until("no estimate", |w| w.has("Known once what is marked is fixed."));
    window.click("Start training");
    assert!(!window.app().is_training());
    assert!(!folder.path().join("runs").exists());
}

#[test]
fn closing_asks_and_keeps_a_checkpoint() {
    let folder = TempDir::new().expect("a folder");
    let mut window = Window::open(options(&folder));
    window.until("the estimate", |w| w.has("5,000 training"));
    window.fill_tiny();
    window.fill("Epochs", "4000");
    window.click("Start training");
    window.until("steps", |w| w.steps() > 3);
    assert!(!window.harness.state_mut().close());
    window.until("the question", |w| w.has("A training is under way"));
    window.harness.step();
    window.click("Keep training");
    let now = window.steps();
    window.until("more steps", |w| w.steps() > now && !w.has("Keep training"));
    assert!(!window.harness.state_mut().close());
    window.until("the question", |w| w.has("Stop and close"));
    window.harness.step();
    window.click("Stop and close");
    window.until("the end", |w| w.app().may_close());
    let run = folder.path().join("runs/demo-001");
    let (_, checkpoint) = RunFolder::trained(&run, None).expect("a checkpoint");
    assert!(checkpoint.step > now);
    // Without a training nothing is asked.
    let mut idle = Window::open(options(&folder));
    assert!(idle.harness.state_mut().close());
}

/// Where the training's device is lost, the window says so and offers to resume, from the last checkpoint on a new device. The fault is
/// asked for by a variable, so the test runs in a process of its own.
#[test]
fn a_lost_device_is_offered_to_be_resumed() {
    if std::env::var_os("SIMSIAM_FAULT").is_none() {
        let mut own = Command::new(std::env::current_exe().expect("this program"));
        own.args(["--exact", "a_lost_device_is_offered_to_be_resumed"]).env("SIMSIAM_FAULT", "lost@60");
        let output = own.output().expect("a process");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let mut window = Window::open(options(&folder));
    window.until("the estimate", |w| w.has("5,000 training"));
    window.fill_tiny();
    window.fill("Epochs", "4000");
    window.click("Start training");
    window.until("the loss", |w| w.has("the GPU was lost") && !w.app().is_training());
    let lost = window.steps();
    assert!(lost > 0);
    window.harness.step();
    window.click("Resume");
    window.until("more steps", |w| w.steps() > lost);
    window.until("the next loss", |w| !w.app().is_training());
}

#[test]
fn a_run_of_another_process_is_watched_while_it_is_written() {
    let folder = TempDir::new().expect("a folder");
    let run = folder.path().join("other");
    let mut arguments = vec!["train", "--no-tune", "--epochs", "3", "--batch-size", "16"];
    for set in [
        "data.limit_train=96",
        "data.limit_test=24",
        "model.blocks=[1]",
        "model.width=4",
        "model.dim=16",
        "model.projector_hidden=16",
        "model.predictor_dim=4",
    ] {
        arguments.extend(["--set", set]);
    }
    let mut process = Command::new(env!("CARGO_BIN_EXE_simsiam"))
        .args(arguments)
        .arg("--out")
        .arg(&run)
        .stdout(Stdio::null())
        .spawn()
        .expect("the program");
    let began = Instant::now();
    while !RunFolder::is_run(&run) && began.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut window = Window::open(AppOptions {
        runs: vec![run.clone()],
        out: Some(folder.path().to_path_buf()),
        ..AppOptions::default()
    });
    window.until("its end", |w| w.app().front().is_some_and(|(_, r)| r.end == RunEnd::Done));
    assert!(process.wait().expect("its end").success());
    let (path, record) = window.app().front().expect("the run");
    assert_eq!((path, record.step, record.epochs), (run.as_path(), 18, 3));
    assert_eq!(record.curve("knn_top1").len(), 4);
    assert_eq!(record.channels.columns().count(), 3);

    // Its neighbours, from its checkpoint.
    window.click("Neighbours");
    window.until("the neighbours", |w| w.has("Under the network after epoch 3"));
    assert_eq!(window.harness.query_all_by_label_contains("cosine").count(), 24);
    assert!(window.has("among 96 images"));
    // A neighbour becomes the query.
    let names = |w: &Window| -> Vec<String> {
        w.harness.query_all_by_role(Role::Image).filter_map(|node| node.accesskit_node().label()).collect()
    };
    let nearest = names(&window)[1].clone();
    let node = window.harness.query_all_by_role(Role::Image).nth(1).expect("a neighbour");
    node.click_accesskit();
    window.until("its own neighbours", |w| w.has("Training image") && names(w).first() == Some(&nearest));
    window.click("Back to the test image");
    window.until("the test image again", |w| !w.has("Training image"));
}

#[test]
fn a_slider_changes_the_views_and_its_value_can_be_taken() {
    let folder = TempDir::new().expect("a folder");
    let mut window = Window::open(options(&folder));
    window.until("the estimate", |w| w.has("5,000 training"));
    window.click("Views");
    window.until("the views", |w| w.has("view 2 of image"));
    window.harness.remove_cursor();
    let picture = |window: &mut Window| {
        window.harness.step();
        let image = window.harness.render().expect("a picture");
        // Left of the sliders.
        image::imageops::crop_imm(&image, 200, 120, 740, 600).to_image()
    };
    let before = picture(&mut window);
    assert!(before == picture(&mut window), "nothing moves by itself");
    let slider = window.harness.get_by_role_and_label(Role::SpinButton, "Flip");
    slider.set_value_accesskit(1.0);
    window.harness.step();
    window.until("another picture", |w| w.has("Other settings than the run's"));
    let began = Instant::now();
    while picture(&mut window) == before {
        assert!(began.elapsed() < Duration::from_secs(30), "the views do not follow");
        std::thread::sleep(Duration::from_millis(20));
    }
    window.click("Use in the settings");
    window.click("Start");
    window.click("All settings (1 changed)");
    let field = window.harness.get_by_role_and_label(Role::TextInput, "flip");
    assert_eq!(field.value().as_deref(), Some("1.0"));
}

/// What a file manager drops.
#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        Err("a folder".to_owned())
    }
}

#[test]
fn what_is_dropped_is_images_or_a_run() {
    let folder = TempDir::new().expect("a folder");
    let photos = folder.path().join("photos");
    for (class, color) in [("red", [200, 0, 0]), ("blue", [0, 0, 200])] {
        std::fs::create_dir_all(photos.join(class)).expect("a folder");
        for i in 0..10_u32 {
            image::RgbImage::from_pixel(40 + 7 * i, 60, image::Rgb(color))
                .save(photos.join(class).join(format!("{i}.jpg")))
                .expect("a picture");
        }
    }
    let run = folder.path().join("a-run");
    RunFolder::create(&run, &Config::preset("demo").expect("a preset")).expect("a run");
    let mut window = Window::open(AppOptions { out: Some(folder.path().join("runs")), ..AppOptions::default() });
    window.until("the built-in data", |w| w.has("5,000 training"));
    let drop = |window: &mut Window, path: &Path| {
        let files = &mut window.harness.input_mut().dropped_files;
        files.push(Arc::new(Dropped(path.to_path_buf())));
        window.harness.step();
    };
    drop(&mut window, &photos);
    // Its preset came with it, and a batch that fits.
    window.until("the photos", |w| w.has("A batch of 8, to fit "));
    window.until("their estimate", |w| w.has(" test images, 2 classes"));
    // Two files that are none, a tenth of them: a button leaves them out.
    for i in 0..2 {
        std::fs::write(photos.join("red").join(format!("{i}.jpg")), "no image").expect("a file");
    }
    window.click("All settings");
    window.fill("limit test", "5");
    window.until("the refusal", |w| w.has("cannot be read, more than 1 %") && !w.has("--set"));
    window.click("Skip 2 files and continue");
    window.until("their estimate", |w| w.has("images checked cannot be read and are left out"));
    window.until("a training that may start", |w| w.has("The run goes into a new folder"));
    drop(&mut window, &run);
    window.until("the run", |w| w.app().front().is_some());
    assert_eq!(window.front(), run);
    window.until("its curves", |w| w.has("Show all"));
}

/// A healthy run and one that collapses, as a formula.
fn recorded(collapses: bool) -> Record {
    let mut config = Config::preset("demo").expect("a preset");
    config.model.dim = 64;
    config.set(&format!("method.stop_gradient={}", !collapses)).unwrap();
    let mut record = Record::new(&config);
    let mut line = |text: String| record.take(&Line::parse(&text).expect("a line"));
    line(r#"{"event":"start","adapter":"a device","steps":1000,"epochs":10}"#.to_owned());
    let rank = |t: f64| {
        if collapses { 40.0 * (-4.0 * t).exp() + 2.0 } else { 24.0 + 16.0 * (-4.0 * t).exp() }
    };
    line(format!(
        r#"{{"event":"epoch","epoch":0,"loss":0.0,"output_std":0.125,"effective_rank":{},"knn_top1":0.47}}"#,
        rank(0.0)
    ));
    for step in 1..=1000_u32 {
        let t = f64::from(step) / 1000.0;
        let wave = (f64::from(step) * 0.7).sin() * 0.04;
        let loss = if collapses { -1.0 + 0.9 * (-9.0 * t).exp() } else { -0.8 + 0.8 * (-4.0 * t).exp() } + wave;
        let std = if collapses { 0.125 * (-2.0 * t).exp() } else { 0.124 };
        let lr = 0.25 * (1.0 + (std::f64::consts::PI * t).cos()) / 2.0;
        line(format!(
            r#"{{"event":"step","step":{step},"epoch":1,"loss":{loss},"output_std":{std},"lr":{lr},"images_per_second":{}}}"#,
            60.0 + 50.0 * wave
        ));
        if step % 20 == 0 {
            let channels: Vec<String> = (0..64)
                .map(|c| {
                    let part = f64::from(c * 29 % 64) / 64.0;
                    let falls = if collapses { (-6.0 * t * part).exp() } else { 1.0 - 0.2 * part };
                    format!("{:.4}", 0.13 * falls)
                })
                .collect();
            line(format!(
                r#"{{"event":"watch","step":{step},"effective_rank":{},"channel_std":[{}]}}"#,
                rank(t),
                channels.join(",")
            ));
        }
        if step % 100 == 0 {
            let knn = if collapses { 0.5 } else { 0.47 + 0.2 * (1.0 - (-3.0 * t).exp()) };
            line(format!(
                r#"{{"event":"epoch","epoch":{},"effective_rank":{},"knn_top1":{knn}}}"#,
                step / 100,
                rank(t)
            ));
        }
    }
    record
}

/// Panes need nothing but recorded numbers.
#[test]
fn pictures_of_panes() {
    let folder = TempDir::new().expect("a folder");
    let mut window = Window::open(AppOptions { out: Some(folder.path().to_path_buf()), ..AppOptions::default() });
    let app = window.harness.state_mut();
    app.show(Path::new("none"), recorded(true));
    app.show(Path::new("stop-gradient"), recorded(false));
    for (pane, name) in [(1, "curves"), (2, "output_std")] {
        window.harness.state_mut().go_to(pane);
        for _ in 0..6 {
            window.harness.step();
        }
        // Drivers differ in how they smooth edges.
        window
            .harness
            .snapshot_options(name, &egui_kittest::SnapshotOptions::new().threshold(1.2).max_failed_pixels(400));
    }
}

/// A run that has ended, as its folder would have it.
fn ended(collapses: bool) -> Record {
    let mut record = recorded(collapses);
    record.take(&Line::parse(r#"{"event":"done","steps":1000}"#).expect("a line"));
    record
}

#[test]
fn a_badge_says_whether_training_is_healthy_and_what_is_next() {
    let folder = TempDir::new().expect("a folder");
    let mut window = Window::open(AppOptions { out: Some(folder.path().to_path_buf()), ..AppOptions::default() });
    window.harness.state_mut().show(Path::new("healthy"), ended(false));
    window.harness.state_mut().go_to(1);
    window.until("the badge", |w| w.has("Healthy") && w.has("Nothing is near a threshold"));
    assert!(
        window.has("Train longer: 20 epochs") && window.has("See its neighbours") && !window.has("Fix and restart")
    );
    window.harness.state_mut().show(Path::new("broken"), ended(true));
    window.until("the other badge", |w| w.has("Collapsed") && w.has("It collapsed at step "));
    assert!(window.has("Fix and restart: method.stop_gradient = true") && !window.has("Train longer"));
    window.click("Change its settings…");
    assert!(window.has("Start training"));
}

#[test]
fn charts_show_what_is_drawn_and_can_be_saved() {
    let folder = TempDir::new().expect("a folder");
    let mut window = Window::open(AppOptions { out: Some(folder.path().to_path_buf()), ..AppOptions::default() });
    let app = window.harness.state_mut();
    app.show(Path::new("none"), ended(true));
    app.show(Path::new("stop-gradient"), ended(false));
    app.go_to(1);
    window.until("the charts", |w| w.has("Output std"));
    // Both runs at the pointer, and the step that it is at.
    window.click("Steps");
    window.harness.hover_at(egui::pos2(520.0, 330.0));
    window.until("the values of both", |w| {
        w.has("step ")
            && w.harness.query_all_by_label("none").count() == 3
            && w.harness.query_all_by_label("stop-gradient").count() >= 3
    });
    window.harness.remove_cursor();
    window.click("Chart menu of Loss");
    window.click("Save as CSV");
    window.until("the table", |w| w.has("loss.csv"));
    let table = std::fs::read_to_string(folder.path().join("charts/loss.csv")).expect("the table");
    assert_eq!(table.lines().count(), 1 + 2 * 1001);
    assert!(table.starts_with("run,step,epoch,seconds,loss\nnone,0,0,"), "{}", &table[..80]);
    window.click("Chart menu of Output std");
    window.click("Save as PNG");
    window.until("the picture", |w| w.has("output_std.png"));
    window.click("Chart menu of Effective rank");
    window.click("Full size");
    assert!(!window.has("Learning rate") && window.has("Effective rank"));
    window.harness.key_press(egui::Key::Escape);
    window.until("all charts", |w| w.has("Learning rate"));
}

#[test]
fn runs_are_listed_sorted_renamed_and_noted() {
    let folder = TempDir::new().expect("a folder");
    for (name, knn) in [("first", 0.5), ("second", 0.6)] {
        let mut config = Config::preset("demo").expect("a preset");
        config.set(&format!("run.seed={}", (10.0 * knn) as u32)).expect("a key");
        let run = RunFolder::create(&folder.path().join(name), &config).expect("a run");
        let lines = format!(
            "{}\n{}\n{}\n{}\n",
            r#"{"event":"start","steps":2,"epochs":1}"#,
            r#"{"event":"epoch","epoch":0,"loss":0.0,"output_std":0.088,"effective_rank":40.0,"knn_top1":0.4}"#,
            format_args!(r#"{{"event":"epoch","epoch":1,"knn_top1":{knn}}}"#),
            r#"{"event":"done","steps":2}"#
        );
        std::fs::write(run.metrics(), lines).expect("metrics");
    }
    // A folder of runs opens with all of them over each other.
    let mut window = Window::open(AppOptions { runs: vec![folder.path().to_path_buf()], ..AppOptions::default() });
    window
        .until("both runs in the legend", |w| w.harness.query_all_by_label("first").count() == 2 && w.has("Smoothing"));
    window.harness.get_by_role_and_label(Role::Button, "Runs").click_accesskit();
    window.until("the table", |w| w.has("2 runs, 2 ticked") && w.has("seed 5") && w.has("60.0 %"));
    let order = |w: &Window| {
        let top = |name: &str| w.harness.get_by_role_and_label(Role::CheckBox, name).rect().top();
        top("Tick first") < top("Tick second")
    };
    window.click("Sort by kNN");
    assert!(!order(&window), "the best first");
    window.click("Sort by kNN");
    assert!(order(&window));
    window.fill("Filter", "seed 6");
    assert!(window.harness.query_by_label("Tick first").is_none() && window.has("Tick second"));
    window.click("Menu of second");
    window.click("Note…");
    window.fill_multiline("Note on second", "a good one");
    window.click("Save the note");
    window.until("the note", |w| w.has("a good one · seed 6"));
    window.click("Menu of second");
    window.click("Rename…");
    window.fill("Rename second", "best");
    window.click("Rename");
    window.until("the new name", |w| w.has("Tick best"));
    assert!(folder.path().join("best/note.txt").is_file() && !folder.path().join("second").exists());
    // Deleting asks.
    window.click("Menu of best");
    window.click("Move to the bin…");
    assert!(window.has("Move best to the bin?"));
    window.click("Cancel");
    assert!(folder.path().join("best").is_dir());
    // What goes elsewhere says so.
    std::fs::remove_dir_all(folder.path().join("best")).expect("the folder");
    window.until("that it is gone", |w| w.has("its folder is gone"));
}

/// In small windows nothing is cut at the right, the button that starts is seen, and every control has a name.
#[test]
fn small_windows_cut_nothing_and_every_control_has_a_name() {
    let folder = TempDir::new().expect("a folder");
    for size in [egui::vec2(900.0, 600.0), egui::vec2(640.0, 400.0)] {
        let run = folder.path().join(format!("runs/a-run-with-a-long-name-{}", size.x));
        RunFolder::create(&run, &Config::preset("demo").expect("a preset")).expect("a run");
        let mut window = Window::sized(options(&folder), size);
        window.until("the estimate", |w| w.has("5,000 training"));
        let start = window.harness.get_by_label("Start training").rect();
        assert!(start.bottom() <= size.y && start.right() <= size.x, "{size:?}: {start:?}");
        window.harness.state_mut().show(Path::new("a-run"), ended(true));
        for pane in 0..6 {
            window.harness.state_mut().go_to(pane);
            if pane == 5 {
                window.until("the table", |w| w.has("1 run, 0 ticked") || w.has("2 runs, 0 ticked"));
            }
            (0..4).for_each(|_| window.harness.step());
            let controls =
                [Role::Button, Role::CheckBox, Role::TextInput, Role::ComboBox, Role::Slider, Role::SpinButton];
            for role in controls {
                for node in window.harness.query_all_by_role(role) {
                    let (name, rect) = (node.accesskit_node().label().unwrap_or_default(), node.rect());
                    assert!(!name.trim().is_empty(), "pane {pane}: a {role:?} at {rect:?} has no name");
                    assert!(rect.right() <= size.x + 1.0, "{size:?}, pane {pane}: {name} is cut: {rect:?}");
                }
            }
        }
    }
}
