//! Shader composition: WGSL plus line directives that are comments, so editors still parse the files.
//!
//! - `//!include common/name` pastes `shaders/common/name.wgsl`, once.
//! - `//!if NAME`, `//!else`, `//!end` keep lines by a flag of the kernel. An unknown flag is an error.
//! - `//!repeat I COUNT`, `//!end` writes the lines out once for each value below a constant of the kernel (or a
//!   literal), with the identifier `I` replaced by it: an array indexed by constants stays in registers on every driver,
//!   one indexed in a loop may not.
//!   In a name such as `sum__I`, `__I` is replaced too: names for what cannot be an array.
//! - `//!type NAME TYPE` replaces the identifier `NAME` by a type from there on. WGSL's `alias` is refused: naga takes an
//!   alias of a built-in type for a type of its own and then writes some HLSL helpers twice, which no HLSL compiler accepts.
//! - The flag `F16` puts `enable f16;` at the top, `COOP` the same for cooperative matrices.
//! - Constants of the kernel become `const NAME: u32 = ..;` lines at the top.

use super::shader::FILES;
use super::{Kernel, Value};

/// The WGSL of a kernel, or what is wrong with its file.
pub fn compose(kernel: &Kernel) -> Result<String, String> {
    let mut composer = Composer { kernel, included: Vec::new(), words: Vec::new(), out: String::new() };
    // WGSL requires these before everything else.
    for (flag, extension) in [("F16", "f16"), ("COOP", "wgpu_cooperative_matrix")] {
        if composer.flag(flag) == Some(true) {
            composer.out.push_str(&format!("enable {extension};\n"));
        }
    }
    for (name, value) in &kernel.constants {
        let line = match value {
            Value::U32(v) => format!("const {name}: u32 = {v}u;\n"),
            Value::I32(v) => format!("const {name}: i32 = i32({v});\n"),
            Value::F32(v) if v.is_finite() => format!("const {name}: f32 = {v:?}f;\n"),
            Value::F32(v) => return Err(format!("constant {name} is {v}")),
            Value::Flag(_) => continue,
        };
        composer.out.push_str(&line);
    }
    composer.paste(kernel.shader)?;
    Ok(composer.out)
}

/// What an identifier is replaced by.
enum Word {
    /// The counter of an open `repeat`.
    Counter(u32),
    /// A type.
    Type(String),
}

struct Composer<'a> {
    kernel: &'a Kernel,
    included: Vec<String>,
    /// Identifiers to replace; the last of a name counts.
    words: Vec<(String, Word)>,
    out: String,
}

impl Composer<'_> {
    fn flag(&self, name: &str) -> Option<bool> {
        self.kernel.constants.iter().find_map(|(n, v)| match v {
            Value::Flag(on) if *n == name => Some(*on),
            _ => None,
        })
    }

    fn count(&self, name: &str) -> Option<u32> {
        let constant = self.kernel.constants.iter().find_map(|(n, v)| match v {
            Value::U32(v) if *n == name => Some(*v),
            _ => None,
        });
        constant.or_else(|| name.parse().ok())
    }

    fn paste(&mut self, name: &str) -> Result<(), String> {
        let own = self.kernel.text.filter(|_| name == self.kernel.shader);
        let file = || FILES.iter().find(|(file, _)| *file == name).map(|(_, text)| *text);
        let text = own.or_else(file).ok_or_else(|| format!("there is no shaders/{name}.wgsl"))?;
        self.included.push(name.to_string());
        let lines: Vec<(usize, &str)> = text.lines().enumerate().map(|(i, line)| (i + 1, line)).collect();
        self.expand(name, &lines)
    }

    /// Writes `lines` of a file with their directives carried out.
    fn expand(&mut self, file: &str, lines: &[(usize, &str)]) -> Result<(), String> {
        let mut at = 0;
        while let Some(&(number, line)) = lines.get(at) {
            let fail = |what: String| Err(format!("shaders/{file}.wgsl:{number}: {what}"));
            at += 1;
            let Some((word, arguments)) = directive(line) else {
                if line.trim_start().starts_with("alias ") {
                    return fail("`alias` makes HLSL that no compiler accepts; use `//!type NAME TYPE`".into());
                }
                let line = self.substitute(line);
                self.out.push_str(&line);
                self.out.push('\n');
                continue;
            };
            match (word, arguments.as_slice()) {
                ("include", [name]) => {
                    if !self.included.iter().any(|f| f == name) {
                        self.paste(name)?;
                    }
                }
                ("type", [name, of @ ..]) if !of.is_empty() => {
                    self.words.push((name.to_string(), Word::Type(of.join(" "))));
                }
                ("if", [flag]) => {
                    let Some(on) = self.flag(flag) else {
                        return fail(format!("flag `{flag}` is not given"));
                    };
                    let Some((middle, end)) = block(&lines[at..]) else {
                        return fail("`if` without `end`".into());
                    };
                    let (yes, no) = (&lines[at..at + middle], &lines[(at + middle + 1).min(at + end)..at + end]);
                    self.expand(file, if on { yes } else { no })?;
                    at += end + 1;
                }
                ("repeat", [name, count]) => {
                    let Some(times) = self.count(count) else {
                        return fail(format!("`{count}` is not a constant of the kernel"));
                    };
                    let Some((_, end)) = block(&lines[at..]) else {
                        return fail("`repeat` without `end`".into());
                    };
                    for value in 0..times {
                        let outside = self.words.len();
                        self.words.push((name.to_string(), Word::Counter(value)));
                        self.expand(file, &lines[at..at + end])?;
                        self.words.truncate(outside);
                    }
                    at += end + 1;
                }
                _ => return fail(format!("directive `{}` is not expected here", line.trim())),
            }
        }
        Ok(())
    }

    fn word(&self, identifier: &str) -> Option<&Word> {
        self.words.iter().rev().find(|(name, _)| name == identifier).map(|(_, word)| word)
    }

    /// Replaces whole identifiers.
    fn substitute(&self, line: &str) -> String {
        let mut out = String::with_capacity(line.len());
        let mut rest = line;
        let of_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        while !rest.is_empty() {
            let length = rest.find(|c| !of_word(c)).unwrap_or(rest.len());
            let (identifier, after) = rest.split_at(length);
            match self.word(identifier) {
                Some(Word::Counter(value)) => out.push_str(&format!("{value}u")),
                Some(Word::Type(name)) => out.push_str(name),
                None => out.push_str(&self.indexed(identifier)),
            }
            let other = after.find(of_word).unwrap_or(after.len());
            out.push_str(&after[..other]);
            rest = &after[other..];
        }
        out
    }

    /// `name__I` with the parts after each `__` replaced, as parts of the name.
    fn indexed(&self, identifier: &str) -> String {
        let mut parts = identifier.split("__");
        let mut out = parts.next().unwrap_or_default().to_string();
        for part in parts {
            match self.word(part) {
                // One underscore: two are reserved in the languages that WGSL is translated to.
                Some(Word::Counter(value)) => out.push_str(&format!("_{value}")),
                _ => out.push_str(&format!("__{part}")),
            }
        }
        out
    }
}

/// A line directive: its word and arguments.
fn directive(line: &str) -> Option<(&str, Vec<&str>)> {
    let mut words = line.trim_start().strip_prefix("//!")?.split_whitespace();
    Some((words.next().unwrap_or(""), words.collect()))
}

/// The lines up to the `else` (or the `end`) and up to the `end` of a block that has just been opened.
fn block(lines: &[(usize, &str)]) -> Option<(usize, usize)> {
    let (mut depth, mut middle) = (0, None);
    for (i, (_, line)) in lines.iter().enumerate() {
        match directive(line) {
            Some(("if" | "repeat", _)) => depth += 1,
            Some(("else", _)) if depth == 0 => middle = Some(i),
            Some(("end", _)) if depth == 0 => return Some((middle.unwrap_or(i), i)),
            Some(("end", _)) => depth -= 1,
            _ => {}
        }
    }
    None
}
