//! What panes and the frame around them are drawn with: colours, tables, charts, forms.

pub(in crate::app) mod axis;
pub(in crate::app) mod badge;
pub(in crate::app) mod bar;
pub(in crate::app) mod chart;
pub(in crate::app) mod cursor;
pub(in crate::app) mod form;
pub(in crate::app) mod next_steps;
pub(in crate::app) mod notice_bar;
pub(in crate::app) mod over;
pub(in crate::app) mod run_list;
pub(in crate::app) mod sliders;
pub(in crate::app) mod texture;
pub(in crate::app) mod theme;
pub(in crate::app) mod view_row;
