//! The window: train, watch, and see the views. [`run`] opens it.
//!
//! [`App`] is the window's contents and knows no window system, so that tests drive it as the window does. What it draws lies in `state`:
//! runs as [`Record`]s, made from events or from the lines of `metrics.jsonl`; a pane is a file in `panes/` that draws the state and
//! wishes for what is clicked. Whatever takes time has a thread of its own, which wakes the window when there is news: the training with
//! its own device, which takes [`Command`](crate::train::Command)s and emits [`Event`](crate::train::Event)s; readers of the runs of other
//! processes; makers of previews, neighbours and estimates, for which only the newest question counts.
//!
//! ```text
//! session, follow ─ Line ─ Record ─────┐                        ┌─ wishes ─ App
//! view_preview, neighbourhood, estimate ─ state ─ panes ─ egui ─┤
//! window_settings, listing, notices ────┘                       └─ window (winit, egui-wgpu)
//! ```
//!
//! What was tried and lost: reading views back from the training's own device (it stands still meanwhile; made again by the same draws
//! and kernels they have the same bits, and runs of other processes can be looked at too); a device shared by window and training
//! (frames wait for submits); a spinner and a blinking cursor (an idle window then paints for ever).

mod panes;
mod platform;
mod shell;
mod state;
mod widgets;
mod workers;

pub use platform::window::{FrameTimes, run};
pub use shell::{App, AppOptions, Interrupt};
pub use state::channels::Channels;
pub use state::record::{Record, RunEnd};
pub use state::series::Series;
pub use state::window_settings::{Look, WindowSettings};
pub use workers::worker::Wake;
