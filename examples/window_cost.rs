//! What the window costs a training, without a screen: the same training alone, under a window that paints what is new into a texture of
//! 1280 x 800 pixels as the real one does (30 times a second; on a software driver one part in fourteen of the time), and under one
//! that is minimised.
//!
//! `cargo run --release --example window_cost -- [pane=N] [KEY=VALUE]...`, such as `pane=4 model.width=16 optim.epochs=4`; starts from the
//! preset demo, and shows the curves, pane 2, where no other is named.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use simsiam::app::{App, AppOptions};
use simsiam::config::Config;
use simsiam::data::{self, Limits, Spec};
use simsiam::gpu::{self, Gpu};
use simsiam::graph::tune::Cache;
use simsiam::train::{Event, Run, TrainPlan};

const SIZE: [u32; 2] = [1280, 800];
/// As in the window.
const NEWS: Duration = Duration::from_millis(33);
const SHARE: u32 = 14;

fn main() -> Result<()> {
    let mut config = Config::preset("demo")?;
    let (panes, settings): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("pane="));
    let pane = match panes.last() {
        Some(pane) => pane["pane=".len()..].parse()?,
        None => 2,
    };
    for setting in &settings {
        config.set(setting)?;
    }
    let folder = tempfile::tempdir()?;
    // The first run chooses the kernels and warms up; the order of the others then turns around.
    let kinds = ["alone", "alone", "watched", "minimised", "minimised", "watched", "alone"];
    let mut rates: Vec<(&str, f64)> = Vec::new();
    for (number, kind) in kinds.into_iter().enumerate() {
        let out = folder.path().join(number.to_string());
        let rate = match kind {
            "alone" => alone(&config, &out)?,
            kind => windowed(&settings, &out, (kind == "watched").then_some(pane))?,
        };
        println!("{kind:>9}: {rate:.1} images/s{}", if number == 0 { " (not counted)" } else { "" });
        if number > 0 {
            rates.push((kind, rate));
        }
    }
    let mean = |kind: &str| {
        let of: Vec<f64> = rates.iter().filter(|(k, _)| *k == kind).map(|(_, r)| *r).collect();
        of.iter().sum::<f64>() / of.len() as f64
    };
    let alone = mean("alone");
    for kind in ["watched", "minimised"] {
        println!("{kind} costs {:.1} %", 100.0 * (1.0 - mean(kind) / alone));
    }
    Ok(())
}

/// The median of the steps' numbers, without the first tenth.
fn median(mut rates: Vec<f64>) -> Result<f64> {
    rates.drain(..rates.len() / 10);
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().context("too few steps")
}

fn alone(config: &Config, out: &std::path::Path) -> Result<f64> {
    let spec: Spec = config.data.source.parse()?;
    let dataset = Arc::new(data::open(&spec, Limits::from(&config.data))?);
    let gpu = Gpu::open(None, gpu::GpuOptions { checked: false })?;
    let mut plan = TrainPlan::new(&gpu, config, dataset)?;
    plan.tune(&mut Cache::open(&gpu), &mut |_| {})?;
    let mut run = Run::create(plan, out)?;
    let (_sender, commands) = mpsc::channel();
    let mut rates = Vec::new();
    run.train(&commands, &mut |event| {
        if let Event::Step(step) = event {
            rates.push(step.readings.get("images_per_second"));
        }
    })?;
    median(rates)
}

/// With a window that shows a pane, from 1, or none.
fn windowed(settings: &[String], out: &std::path::Path, pane: Option<usize>) -> Result<f64> {
    let options = AppOptions { out: Some(out.to_path_buf()), ..AppOptions::default() };
    let mut app = App::new(options, Arc::new(|| {}))?;
    for (key, value) in settings.iter().filter_map(|setting| setting.split_once('=')) {
        app.set(key, value);
    }
    app.start();
    let watched = pane.is_some();
    app.go_to(pane.unwrap_or(2).saturating_sub(1));
    let mut painter = Painter::new()?;
    let mut frames = Vec::new();
    while app.is_training() {
        let began = Instant::now();
        let mut wait = NEWS;
        match watched {
            true => {
                painter.paint(&mut app)?;
                frames.push(began.elapsed().as_secs_f64());
                if painter.software {
                    wait = NEWS.max(began.elapsed() * (SHARE - 1));
                }
            }
            false => app.news(),
        }
        std::thread::sleep(wait);
    }
    let (_, record) = app.front().context("the training did not begin")?;
    let curve = record.curve("images_per_second");
    let steps = 1..=record.step;
    let rates = steps.filter_map(|step| curve.at(step as f64)).map(|[_, rate]| rate);
    if let (true, false) = (watched, frames.is_empty()) {
        frames.sort_by(f64::total_cmp);
        let at = |part: usize| 1e3 * frames[(frames.len() * part / 100).min(frames.len() - 1)];
        print!("{} frames, median {:.1} ms, 99 % {:.1} ms; ", frames.len(), at(50), at(99));
    }
    median(rates.collect())
}

/// Paints as the window does, on a device of its own.
struct Painter {
    ctx: egui::Context,
    device: wgpu::Device,
    queue: wgpu::Queue,
    renderer: egui_wgpu::Renderer,
    view: wgpu::TextureView,
    software: bool,
}

impl Painter {
    fn new() -> Result<Painter> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapter = instance.request_adapter(&wgpu::RequestAdapterOptions::default());
        let adapter = pollster::block_on(adapter)?;
        let request = adapter.request_device(&wgpu::DeviceDescriptor::default());
        let (device, queue) = pollster::block_on(request)?;
        let format = wgpu::TextureFormat::Rgba8Unorm;
        let [width, height] = SIZE;
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("screen"),
            size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT,
            view_formats: &[],
        });
        Ok(Painter {
            ctx: egui::Context::default(),
            renderer: egui_wgpu::Renderer::new(&device, format, egui_wgpu::RendererOptions::default()),
            software: gpu::is_software(&adapter.get_info()),
            view: texture.create_view(&wgpu::TextureViewDescriptor::default()),
            device,
            queue,
        })
    }

    fn paint(&mut self, app: &mut App) -> Result<()> {
        let [width, height] = SIZE;
        let size = egui::vec2(width as f32, height as f32);
        let input = egui::RawInput {
            screen_rect: Some(egui::Rect::from_min_size(egui::Pos2::ZERO, size)),
            ..Default::default()
        };
        let mut output = self.ctx.run_ui(input, |ui| app.ui(ui));
        let primitives = self.ctx.tessellate(output.shapes, output.pixels_per_point);
        for (id, deltas) in &output.textures_delta.set {
            for delta in deltas {
                self.renderer.update_texture(&self.device, &self.queue, *id, delta);
            }
        }
        let screen = egui_wgpu::ScreenDescriptor { size_in_pixels: SIZE, pixels_per_point: output.pixels_per_point };
        let mut encoder = self.device.create_command_encoder(&Default::default());
        let (device, queue) = (&self.device, &self.queue);
        self.renderer.update_buffers(device, queue, &mut encoder, &primitives, &screen);
        let pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &self.view,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations { load: wgpu::LoadOp::Clear(wgpu::Color::BLACK), store: wgpu::StoreOp::Store },
            })],
            ..Default::default()
        });
        self.renderer.render(&mut pass.forget_lifetime(), &primitives, &screen);
        self.queue.submit([encoder.finish()]);
        for id in &output.textures_delta.free {
            self.renderer.free_texture(id);
        }
        output.textures_delta.clear();
        self.device.poll(wgpu::PollType::wait_indefinitely())?;
        Ok(())
    }
}
