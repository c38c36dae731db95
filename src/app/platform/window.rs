//! The event loop: when a frame is painted, and what happens when the window closes.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use winit::application::ApplicationHandler;
use winit::event::{StartCause, WindowEvent};
use winit::event_loop::{ActiveEventLoop, ControlFlow, EventLoop, EventLoopProxy};
use winit::window::WindowId;

use super::frame_limiter::FrameLimiter;
use super::gui::{Gui, UserEvent};
use crate::app::shell::{App, AppOptions};

/// How long frames took, in seconds: what the window itself does (layout, reduction of curves, tessellation), and that with painting.
#[derive(Debug, Clone, Default)]
pub struct FrameTimes {
    /// Without painting.
    pub own: Vec<f64>,
    /// With painting.
    pub all: Vec<f64>,
}

/// Frames whose times are kept.
const FRAMES: usize = 100_000;

/// Opens the window and stays until it is closed. Fails where the system has no screen or nothing can paint on it.
pub fn run(options: AppOptions) -> Result<FrameTimes> {
    let event_loop = EventLoop::<UserEvent>::with_user_event()
        .build()
        .context("there is no screen here: start it on a desktop, or train with `simsiam train`")?;
    let proxy = event_loop.create_proxy();
    let waker = event_loop.create_proxy();
    let wake = Arc::new(move || {
        // After the loop has ended there is no listener.
        let _ = waker.send_event(UserEvent::News);
    });
    let mut program = WindowProgram {
        app: App::new(options, wake)?,
        proxy,
        gui: None,
        limiter: FrameLimiter::new(false),
        due: None,
        hidden: false,
        failed: None,
        times: FrameTimes::default(),
    };
    event_loop.run_app(&mut program).context("the window system has ended")?;
    program.app.save_settings();
    match program.failed {
        Some(error) => Err(error),
        None => Ok(program.times),
    }
}

struct WindowProgram {
    app: App,
    proxy: EventLoopProxy<UserEvent>,
    gui: Option<Gui>,
    limiter: FrameLimiter,
    /// When the next frame is due, if one is.
    due: Option<Instant>,
    /// Whether it cannot be seen.
    hidden: bool,
    failed: Option<anyhow::Error>,
    times: FrameTimes,
}

impl WindowProgram {
    /// A frame at `when`, or before.
    fn paint_at(&mut self, when: Instant) {
        self.due = Some(self.due.map_or(when, |due| due.min(when)));
    }

    fn paint(&mut self, event_loop: &ActiveEventLoop) {
        self.due = None;
        let Some(gui) = &mut self.gui else { return };
        let began = Instant::now();
        let app = &mut self.app;
        let frame = gui.paint(event_loop, |ui| app.ui(ui));
        self.limiter.painted(began, frame.all);
        if self.times.own.len() < FRAMES {
            self.times.own.push(frame.own.as_secs_f64());
            self.times.all.push(frame.all.as_secs_f64());
        }
        if let Some(fault) = gui.fault() {
            self.app.trouble(format!("The window's driver reported an error: {fault}"));
        }
        if gui.is_lost() {
            self.app.trouble("The window's device was lost and opened again.".to_owned());
            self.close_window();
            self.open_window(event_loop);
            self.app.reopened();
        }
        if self.app.may_close() {
            self.end(event_loop);
        }
    }

    fn open_window(&mut self, event_loop: &ActiveEventLoop) {
        match Gui::open(event_loop, &self.proxy, self.app.settings()) {
            Ok(gui) => {
                self.limiter = FrameLimiter::new(gui.software);
                gui.window.request_redraw();
                self.gui = Some(gui);
            }
            Err(error) => {
                self.failed = Some(error);
                event_loop.exit();
            }
        }
    }

    /// Remembers where the window was.
    fn close_window(&mut self) {
        let Some(gui) = self.gui.take() else { return };
        let window = &gui.window;
        let settings = self.app.settings();
        settings.maximized = window.is_maximized();
        let size = window.inner_size().to_logical::<f32>(window.scale_factor());
        if !settings.maximized && size.width > 0.0 && size.height > 0.0 {
            settings.size = [size.width, size.height];
        }
        // Wayland does not tell.
        if let (false, Ok(place)) = (settings.maximized, window.outer_position()) {
            settings.place = Some([place.x, place.y]);
        }
    }

    fn end(&mut self, event_loop: &ActiveEventLoop) {
        self.close_window();
        event_loop.exit();
    }
}

impl ApplicationHandler<UserEvent> for WindowProgram {
    fn resumed(&mut self, event_loop: &ActiveEventLoop) {
        if self.gui.is_none() {
            self.open_window(event_loop);
        }
    }

    fn new_events(&mut self, _: &ActiveEventLoop, cause: StartCause) {
        if let (StartCause::ResumeTimeReached { .. }, Some(gui)) = (cause, &self.gui) {
            gui.window.request_redraw();
        }
    }

    fn user_event(&mut self, event_loop: &ActiveEventLoop, event: UserEvent) {
        match event {
            UserEvent::News => {
                // Heard also where nothing is painted, so that it does not pile up.
                self.app.news();
                if let Some(gui) = &mut self.gui {
                    gui.set_title(self.app.title());
                }
                if self.app.may_close() {
                    self.end(event_loop);
                } else if !self.hidden {
                    self.paint_at(self.limiter.due(Instant::now()));
                }
            }
            UserEvent::Repaint(delay) => {
                if let Some(when) = Instant::now().checked_add(delay)
                    && !self.hidden
                {
                    self.paint_at(when);
                }
            }
            UserEvent::Access(event) => {
                if let Some(gui) = &mut self.gui {
                    gui.access(event.window_event);
                }
            }
        }
    }

    fn window_event(&mut self, event_loop: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        let was_hidden = self.hidden;
        match &event {
            WindowEvent::RedrawRequested => {
                self.paint(event_loop);
                return;
            }
            WindowEvent::CloseRequested => {
                if self.app.close() {
                    self.end(event_loop);
                    return;
                }
                self.paint_at(Instant::now());
            }
            WindowEvent::Occluded(occluded) => self.hidden = *occluded,
            WindowEvent::Resized(size) => {
                let minimized = self.gui.as_ref().and_then(|gui| gui.window.is_minimized());
                self.hidden = minimized.unwrap_or(false) || size.width == 0 || size.height == 0;
            }
            WindowEvent::Focused(true) => self.hidden = false,
            _ => {}
        }
        let shows = was_hidden && !self.hidden;
        if let Some(gui) = &mut self.gui
            && (gui.event(&event) || shows)
        {
            self.paint_at(Instant::now());
        }
    }

    fn about_to_wait(&mut self, event_loop: &ActiveEventLoop) {
        let Some(due) = self.due else {
            event_loop.set_control_flow(ControlFlow::Wait);
            return;
        };
        if due > Instant::now() {
            event_loop.set_control_flow(ControlFlow::WaitUntil(due));
            return;
        }
        self.due = None;
        event_loop.set_control_flow(ControlFlow::Wait);
        if let Some(gui) = &self.gui {
            gui.window.request_redraw();
        }
    }

    fn exiting(&mut self, _: &ActiveEventLoop) {
        // Before the loop, on which the window stands.
        self.close_window();
    }
}
