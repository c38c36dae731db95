//! The native window with its painter: egui on winit and wgpu, opened again where its device is lost.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use egui::ViewportId;
use egui_wgpu::winit::Painter;
use egui_wgpu::{RendererOptions, SurfaceConfig, WgpuConfiguration, WgpuSetup};
use winit::event::WindowEvent;
use winit::event_loop::{ActiveEventLoop, EventLoopProxy};
use winit::window::{Icon, Window, WindowAttributes};

use crate::app::state::window_settings::WindowSettings;

/// What other threads tell the loop.
#[derive(Debug)]
pub(in crate::app) enum UserEvent {
    /// There is something new to show.
    News,
    /// egui asks for a frame after this time.
    Repaint(Duration),
    Access(egui_winit::accesskit_winit::Event),
}

impl From<egui_winit::accesskit_winit::Event> for UserEvent {
    fn from(event: egui_winit::accesskit_winit::Event) -> Self {
        UserEvent::Access(event)
    }
}

/// What the driver complained of, from any thread.
#[derive(Default)]
struct Faults {
    lost: AtomicBool,
    error: Mutex<Option<String>>,
}

/// The window.
pub(in crate::app) struct Gui {
    pub window: Arc<Window>,
    pub ctx: egui::Context,
    state: egui_winit::State,
    painter: Painter,
    faults: Arc<Faults>,
    /// Textures of a frame that could not be painted.
    pending: egui::TexturesDelta,
    pub software: bool,
    title: String,
}

/// How long a frame took.
#[derive(Debug, Clone, Copy)]
pub(in crate::app) struct FrameCost {
    /// Layout, reduction of curves and tessellation.
    pub own: Duration,
    /// With painting.
    pub all: Duration,
}

impl Gui {
    /// Opens it where it was. The contents come with the first frame.
    pub fn open(
        event_loop: &ActiveEventLoop,
        proxy: &EventLoopProxy<UserEvent>,
        settings: &WindowSettings,
    ) -> anyhow::Result<Gui> {
        let [width, height] = within_screen(event_loop, settings.size);
        let mut attributes = WindowAttributes::default()
            .with_title("simsiam")
            .with_inner_size(winit::dpi::LogicalSize::new(width, height))
            .with_min_inner_size(winit::dpi::LogicalSize::new(480.0, 320.0))
            .with_window_icon(icon())
            // AccessKit must be set up before the window is visible.
            .with_visible(false);
        if let Some([left, top]) = settings.place.filter(|place| is_on_a_screen(event_loop, *place)) {
            attributes = attributes.with_position(winit::dpi::PhysicalPosition::new(left, top));
        }
        let window = event_loop.create_window(attributes).context("the system opens no window")?;
        let window = Arc::new(window);
        let ctx = egui::Context::default();
        let faults = Arc::new(Faults::default());
        let painter = paint_with(event_loop, &ctx, &window, &faults)?;
        let software = painter.render_state().is_some_and(|state| crate::gpu::is_software(&state.adapter.get_info()));
        let mut state = egui_winit::State::new(
            ctx.clone(),
            ViewportId::ROOT,
            event_loop,
            Some(window.scale_factor() as f32),
            window.theme(),
            painter.max_texture_side(),
        );
        state.init_accesskit(event_loop, &window, proxy.clone());
        let wake = proxy.clone();
        ctx.set_request_repaint_callback(move |info| {
            // Where the loop has ended there is nothing to repaint.
            let _ = wake.send_event(UserEvent::Repaint(info.delay));
        });
        crate::app::widgets::theme::choose(&ctx, settings.look);
        window.set_visible(true);
        if settings.maximized {
            window.set_maximized(true);
        }
        Ok(Gui {
            window,
            ctx,
            state,
            painter,
            faults,
            pending: egui::TexturesDelta::default(),
            software,
            title: String::new(),
        })
    }

    /// Names the window, where that is news.
    pub fn set_title(&mut self, title: String) {
        if self.title != title {
            self.window.set_title(&title);
            self.title = title;
        }
    }

    /// Hands an event to egui; whether a frame should follow.
    pub fn event(&mut self, event: &WindowEvent) -> bool {
        if let WindowEvent::Resized(size) = event
            && let (Some(width), Some(height)) = (NonZeroU32::new(size.width), NonZeroU32::new(size.height))
        {
            self.painter.on_window_resized(ViewportId::ROOT, width, height);
        }
        self.state.on_window_event(&self.window, event).repaint
    }

    /// AccessKit asks or tells something.
    pub fn access(&mut self, event: egui_winit::accesskit_winit::WindowEvent) {
        match event {
            egui_winit::accesskit_winit::WindowEvent::InitialTreeRequested => self.ctx.enable_accesskit(),
            egui_winit::accesskit_winit::WindowEvent::ActionRequested(request) => {
                self.state.on_accesskit_action_request(request);
            }
            egui_winit::accesskit_winit::WindowEvent::AccessibilityDeactivated => self.ctx.disable_accesskit(),
        }
        self.window.request_redraw();
    }

    /// One frame of `contents`.
    pub fn paint(&mut self, event_loop: &ActiveEventLoop, contents: impl FnMut(&mut egui::Ui)) -> FrameCost {
        let began = Instant::now();
        let mut input = self.state.take_egui_input(&self.window);
        let viewport = input.viewports.entry(ViewportId::ROOT).or_default();
        egui_winit::update_viewport_info(viewport, &self.ctx, &self.window, false);
        let mut output = self.ctx.run_ui(input, contents);
        self.state.handle_platform_output_with_event_loop(
            &self.window,
            event_loop,
            std::mem::take(&mut output.platform_output),
        );
        let scale = output.pixels_per_point;
        let primitives = self.ctx.tessellate(output.shapes, scale);
        let own = began.elapsed();
        self.pending.append(std::mem::take(&mut output.textures_delta));
        let size = self.window.inner_size();
        if size.width > 0 && size.height > 0 {
            let ground = self.ctx.global_style().visuals.panel_fill;
            self.painter.paint_and_update_textures(
                ViewportId::ROOT,
                scale,
                ground.to_normalized_gamma_f32(),
                &primitives,
                &mut self.pending,
                Vec::new(),
                &self.window,
            );
            self.pending.clear();
        }
        if self.software {
            // The CPU paints after the call has returned: only waiting for it tells what a frame costs.
            if let Some(state) = self.painter.render_state() {
                let _ = state.device.poll(egui_wgpu::wgpu::PollType::wait_indefinitely());
            }
        }
        FrameCost { own, all: began.elapsed() }
    }

    /// What the driver complained of since the last call.
    pub fn fault(&self) -> Option<String> {
        self.faults.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether the window's device is gone.
    pub fn is_lost(&self) -> bool {
        self.faults.lost.load(Ordering::Relaxed)
    }
}

/// A painter on a device of its own, whose errors are kept and not thrown.
fn paint_with(
    event_loop: &ActiveEventLoop,
    ctx: &egui::Context,
    window: &Arc<Window>,
    faults: &Arc<Faults>,
) -> anyhow::Result<Painter> {
    let config = WgpuConfiguration {
        wgpu_setup: WgpuSetup::from_display_handle(event_loop.owned_display_handle()),
        ..Default::default()
    }
    .with_surface_config(SurfaceConfig::LOW_LATENCY);
    let mut painter = pollster::block_on(Painter::new(ctx.clone(), config, false, RendererOptions::default()));
    pollster::block_on(painter.set_window(ViewportId::ROOT, Some(window.clone()))).context(
        "no GPU paints on this screen; install a driver (Debian and Ubuntu: `apt-get install mesa-vulkan-drivers libvulkan1` also gives a software one)",
    )?;
    if let Some(state) = painter.render_state() {
        let seen = faults.clone();
        state.device.on_uncaptured_error(Arc::new(move |error| {
            let mut kept = seen.error.lock().unwrap_or_else(PoisonError::into_inner);
            kept.get_or_insert_with(|| error.to_string());
        }));
        let seen = faults.clone();
        state.device.set_device_lost_callback(move |reason, _| {
            let gone = reason != egui_wgpu::wgpu::DeviceLostReason::Destroyed;
            seen.lost.fetch_or(gone, Ordering::Relaxed);
        });
    }
    Ok(painter)
}

/// A window that is kept from a larger screen, or the first one on a small one, must not reach beyond it.
fn within_screen(event_loop: &ActiveEventLoop, size: [f32; 2]) -> [f32; 2] {
    // What the system's own bars take of a screen.
    const PART: f32 = 0.92;
    let screens = event_loop.available_monitors();
    let screens = screens.map(|screen| screen.size().to_logical::<f32>(screen.scale_factor()));
    let largest = screens.max_by(|a, b| (a.width * a.height).total_cmp(&(b.width * b.height)));
    match largest.filter(|screen| screen.width > 0.0 && screen.height > 0.0) {
        Some(screen) => [size[0].min(PART * screen.width), size[1].min(PART * screen.height)],
        None => size,
    }
}

fn is_on_a_screen(event_loop: &ActiveEventLoop, [left, top]: [i32; 2]) -> bool {
    event_loop.available_monitors().any(|monitor| {
        let (at, size) = (monitor.position(), monitor.size());
        let inside = |place: i32, from: i32, length: u32| {
            i64::from(place) >= i64::from(from) && i64::from(place) < i64::from(from) + i64::from(length)
        };
        inside(left, at.x, size.width) && inside(top, at.y, size.height)
    })
}

fn icon() -> Option<Icon> {
    let picture = crate::picture::icon(64).ok()?;
    let (width, height) = picture.dimensions();
    Icon::from_rgba(picture.into_raw(), width, height).ok()
}
