//! A kernel: one shader file and the constants it is built with.

/// A constant of a kernel. Shapes are static, so sizes are constants too: divisions by them become multiplications.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// `const NAME: u32`.
    U32(u32),
    /// `const NAME: i32`.
    I32(i32),
    /// `const NAME: f32`; finite.
    F32(f32),
    /// Seen by `//!if NAME` only.
    Flag(bool),
}

impl From<usize> for Value {
    fn from(v: usize) -> Self {
        // Sizes are bounded by the binding limit (under 2^31 bytes), checked before any kernel is built.
        Value::U32(v as u32)
    }
}
impl From<u32> for Value {
    fn from(v: u32) -> Self {
        Value::U32(v)
    }
}
impl From<i32> for Value {
    fn from(v: i32) -> Self {
        Value::I32(v)
    }
}
impl From<f32> for Value {
    fn from(v: f32) -> Self {
        Value::F32(v)
    }
}
impl From<bool> for Value {
    fn from(v: bool) -> Self {
        Value::Flag(v)
    }
}

/// One permutation of one shader file.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    /// File name in `shaders/` without extension; a name for errors where there is a text.
    pub shader: &'static str,
    /// WGSL of one's own, instead of a file.
    pub text: Option<&'static str>,
    /// Constants in the order they were given.
    pub constants: Vec<(&'static str, Value)>,
}

impl Kernel {
    /// A kernel of `shaders/{shader}.wgsl` without constants.
    pub fn new(shader: &'static str) -> Self {
        Kernel { shader, text: None, constants: Vec::new() }
    }

    /// A kernel of one's own: `text` is WGSL with the directives of [`shader`](super::shader), and may include the files of
    /// `shaders/common`. `name` must tell it from every other kernel.
    pub fn with_text(name: &'static str, text: &'static str) -> Self {
        Kernel { shader: name, text: Some(text), constants: Vec::new() }
    }

    /// Adds a constant.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.constants.push((name, value.into()));
        self
    }

    /// A name that tells permutations apart: file and constants.
    pub fn key(&self) -> String {
        use std::fmt::Write;
        let mut key = self.shader.to_string();
        for (name, value) in &self.constants {
            // Writing to a string cannot fail.
            let _ = match value {
                Value::U32(v) => write!(key, " {name}={v}"),
                Value::I32(v) => write!(key, " {name}={v}"),
                Value::F32(v) => write!(key, " {name}={v:?}"),
                Value::Flag(true) => write!(key, " +{name}"),
                Value::Flag(false) => Ok(()),
            };
        }
        key
    }
}
