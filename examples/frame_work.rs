//! What the window itself does in a frame (layout, reduction of curves, tessellation; no painting), with a history of N points:
//! `cargo run --release --example frame_work -- 5000000`.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use simsiam::app::{App, AppOptions, Record};
use simsiam::config::Config;
use simsiam::train::Line;

/// Frames that are measured.
const FRAMES: usize = 200;

fn main() -> anyhow::Result<()> {
    let points: u64 = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => 5_000_000,
    };
    let config = Config::preset("demo")?;
    let mut record = Record::new(&config);
    let start = format!(r#"{{"event":"start","steps":{points},"epochs":100}}"#);
    Line::parse(&start).iter().for_each(|line| record.take(line));
    let Some(Line::Step(mut step)) = Line::parse(r#"{"event":"step","step":0}"#) else {
        anyhow::bail!("a step is a line");
    };
    for n in 1..=points {
        let t = n as f64 / points as f64;
        step.step = n;
        step.numbers.set("loss", (-3.0 * t).exp() - 1.0 + 0.1 * (n as f64 * 0.37).sin());
        step.numbers.set("output_std", 0.088 + 0.002 * (n as f64 * 0.11).sin());
        step.numbers.set("lr", 0.1 * (1.0 - t));
        step.numbers.set("images_per_second", 60.0 + (n as f64 * 0.013).cos());
        record.take(&Line::Step(step.clone()));
    }
    println!("{} points a curve, four curves of that length, on 1280 x 800", record.curve("loss").len());
    let mut app = App::new(AppOptions::default(), Arc::new(|| {}))?;
    app.show(Path::new("long"), record);
    app.go_to(1);
    let ctx = egui::Context::default();
    let (mut times, mut vertices) = (Vec::new(), Vec::new());
    for frame in 0..FRAMES {
        let mut input = egui::RawInput::default();
        let size = egui::vec2(1280.0, 800.0);
        input.screen_rect = Some(egui::Rect::from_min_size(egui::Pos2::ZERO, size));
        input.time = Some(frame as f64 / 60.0);
        // Somebody moves over the charts, and zooms.
        let at = egui::pos2(300.0 + 4.0 * (frame % 200) as f32, 300.0);
        input.events.push(egui::Event::PointerMoved(at));
        if frame % 10 == 9 {
            input.events.push(egui::Event::Zoom(1.1));
        }
        let began = Instant::now();
        let mut output = ctx.run_ui(input, |ui| app.ui(ui));
        let primitives = ctx.tessellate(output.shapes, output.pixels_per_point);
        times.push(began.elapsed().as_secs_f64());
        output.textures_delta.clear();
        vertices.push(primitives.iter().map(count).sum::<usize>());
    }
    times.sort_by(f64::total_cmp);
    println!(
        "the window's own work: median {:.2} ms, 99 % {:.2} ms of {FRAMES} frames, of {} vertices in the middle",
        1e3 * times[FRAMES / 2],
        1e3 * times[FRAMES * 99 / 100],
        vertices[FRAMES / 2]
    );
    Ok(())
}

fn count(primitive: &egui::ClippedPrimitive) -> usize {
    match &primitive.primitive {
        egui::epaint::Primitive::Mesh(mesh) => mesh.vertices.len(),
        egui::epaint::Primitive::Callback(_) => 0,
    }
}
