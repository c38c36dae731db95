//! PyTorch's own files (`torch.save` since 1.6): a zip archive of a pickle and of the bytes of its tensors. A pickle is a program for a stack
//! machine that may call anything; this reader calls nothing. It knows the few instructions that tensors in dictionaries need, and refuses
//! every other by name.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{Read, Seek};

use zip::ZipArchive;
use zip::result::ZipError;

use super::state_dict::{Kind, Tensor, Tensors, tensor};

/// A pickle of more bytes holds something else.
const MOST_PICKLE: u64 = 64 << 20;
/// Dictionaries in dictionaries are looked into so far: `{"state_dict": {...}}` and a little more.
const DEPTH: usize = 4;
/// Tensors may share bytes, but all together they are not larger than this many times the file: such a file is made to fill the memory.
const SHARED: u64 = 8;

/// Every tensor of the dictionaries of a file, under their keys joined by points.
pub(super) fn read(file: impl Read + Seek, length: u64) -> Result<Tensors, String> {
    let mut archive = ZipArchive::new(file).map_err(|e| format!("it is no complete zip archive ({e}): truncated?"))?;
    let names = archive.file_names().filter_map(Result::ok);
    let name = names.map(String::from).find(|name| name.rsplit('/').next() == Some("data.pkl"));
    let name = name.ok_or("it holds no data.pkl: no file of torch.save")?;
    let root = name.trim_end_matches("data.pkl").to_owned();
    let pickle = entry(&mut archive, &name, length.min(MOST_PICKLE))?;
    if entry(&mut archive, &format!("{root}byteorder"), 16).is_ok_and(|order| order.starts_with(b"big")) {
        return Err("its tensors are big-endian: save it on another machine".to_owned());
    }
    let mut machine = Machine::default();
    let top = machine.run(&pickle)?;
    let mut found = Vec::new();
    machine.walk(top, String::new(), 0, &mut found);
    let mut tensors = Tensors::new();
    let mut storages: HashMap<u32, Vec<u8>> = HashMap::new();
    let mut left = SHARED.saturating_mul(length);
    let mut spend = |bytes: usize| {
        left = left.checked_sub(bytes as u64).ok_or("its tensors are many times larger than the file: refused")?;
        Ok::<(), String>(())
    };
    for (name, view) in found {
        let storage = &machine.storages[view.storage as usize];
        let Some(kind) = storage.kind else { continue };
        if let Entry::Vacant(vacant) = storages.entry(view.storage) {
            let bytes = entry(&mut archive, &format!("{root}data/{}", storage.key), length)?;
            spend(bytes.len())?;
            vacant.insert(bytes);
        }
        let bytes = &storages[&view.storage];
        let len = view
            .len(bytes.len() / kind.size())
            .ok_or_else(|| format!("tensor {name} reaches beyond its bytes: damaged"))?;
        spend(len * kind.size())?;
        let values =
            view.gather(bytes, len, kind).ok_or_else(|| format!("tensor {name} reaches beyond its bytes: damaged"))?;
        tensors.insert(name, values);
    }
    Ok(tensors)
}

/// The bytes of an entry, stored and not compressed, at most `most`.
fn entry(archive: &mut ZipArchive<impl Read + Seek>, name: &str, most: u64) -> Result<Vec<u8>, String> {
    let problem = |e: ZipError| match e {
        ZipError::UnsupportedArchive(_) => format!("{name} is compressed: torch.save stores its entries"),
        e => format!("{name} cannot be read ({e}): truncated?"),
    };
    let file = archive.by_name(name).map_err(problem)?;
    if file.size() > most {
        return Err(format!("{name} says it has {} bytes: damaged", file.size()));
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(|e| format!("{name} cannot be read ({e}): damaged"))?;
    Ok(bytes)
}

/// What the machine handles. What is long lies in its lists, so that nothing is nested in memory.
#[derive(Debug, Clone, Copy)]
enum Value {
    Other,
    Int(i64),
    Text(u32),
    Global(u32),
    Sequence(u32),
    Dict(u32),
    Storage(u32),
    View(u32),
}

#[derive(Debug, Clone)]
struct Storage {
    key: String,
    /// `None` for integers, which no network here has.
    kind: Option<Kind>,
}

/// A tensor: part of a storage.
#[derive(Debug, Clone)]
struct View {
    storage: u32,
    offset: usize,
    dims: Vec<usize>,
    strides: Vec<usize>,
}

impl View {
    /// How many values it has; `None` where that is more than the storage's.
    fn len(&self, storage: usize) -> Option<usize> {
        self.dims.iter().try_fold(1_usize, |all, &dim| all.checked_mul(dim)).filter(|&len| len <= storage)
    }

    /// Its `len` values in order; `None` where it reaches beyond the bytes.
    fn gather(&self, bytes: &[u8], len: usize, kind: Kind) -> Option<Tensor> {
        let mut indices = vec![self.offset; len];
        let mut repeat = 1;
        for (&dim, &stride) in self.dims.iter().zip(&self.strides).rev() {
            for (at, index) in indices.iter_mut().enumerate() {
                *index = (at / repeat % dim).checked_mul(stride)?.checked_add(*index)?;
            }
            repeat *= dim;
        }
        let one = |&index: &usize| bytes.get(index.checked_mul(kind.size())?..)?.get(..kind.size());
        let gathered: Option<Vec<&[u8]>> = indices.iter().map(one).collect();
        Some(tensor(self.dims.clone(), kind, &gathered?.concat()))
    }
}

#[derive(Default)]
struct Machine {
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    texts: Vec<String>,
    /// Modules and names.
    globals: Vec<(String, String)>,
    sequences: Vec<Vec<Value>>,
    dicts: Vec<Vec<(Value, Value)>>,
    storages: Vec<Storage>,
    views: Vec<View>,
}

/// The bytes of a pickle that are still to be read.
struct Code<'a>(&'a [u8]);

impl<'a> Code<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("its pickle ends early: truncated")?;
        self.0 = rest;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self) -> Result<u64, String> {
        let mut bytes = [0; 8];
        bytes[..N].copy_from_slice(self.take(N)?);
        Ok(u64::from_le_bytes(bytes))
    }

    fn text(&mut self, count: u64) -> Result<String, String> {
        let bytes = self.take(usize::try_from(count).unwrap_or(usize::MAX))?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    fn line(&mut self) -> Result<String, String> {
        let end = self.0.iter().position(|&byte| byte == b'\n').ok_or("its pickle ends early: truncated")?;
        let text = self.text(end as u64)?;
        self.take(1)?;
        Ok(text)
    }
}

fn push<T>(list: &mut Vec<T>, value: T, of: fn(u32) -> Value) -> Value {
    list.push(value);
    of((list.len() - 1) as u32)
}

impl Machine {
    /// Runs a pickle to its end; what it leaves.
    fn run(&mut self, pickle: &[u8]) -> Result<Value, String> {
        let mut code = Code(pickle);
        loop {
            let [op] = code.take(1)? else { continue };
            match op {
                b'.' => return self.pop(),
                // PROTO, FRAME.
                0x80 => drop(code.take(1)?),
                0x95 => drop(code.take(8)?),
                b'(' => self.marks.push(self.stack.len()),
                b'N' | 0x88 | 0x89 => self.stack.push(Value::Other),
                b'G' => {
                    code.take(8)?;
                    self.stack.push(Value::Other);
                }
                b'J' => self.int(i64::from(code.number::<4>()? as u32 as i32)),
                b'K' => self.int(code.number::<1>()? as i64),
                b'M' => self.int(code.number::<2>()? as i64),
                0x8a => {
                    let count = code.number::<1>()? as usize;
                    let bytes = code.take(count)?;
                    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
                    let mut all = [if negative { 0xff } else { 0 }; 8];
                    let kept = count.min(8);
                    all[..kept].copy_from_slice(&bytes[..kept]);
                    self.int(i64::from_le_bytes(all));
                }
                b'X' => {
                    let count = code.number::<4>()?;
                    let text = code.text(count)?;
                    self.word(text);
                }
                0x8c => {
                    let count = code.number::<1>()?;
                    let text = code.text(count)?;
                    self.word(text);
                }
                b'q' => self.keep(code.number::<1>()? as u32)?,
                b'r' => self.keep(code.number::<4>()? as u32)?,
                0x94 => self.keep(self.memo.len() as u32)?,
                b'h' => self.recall(code.number::<1>()? as u32)?,
                b'j' => self.recall(code.number::<4>()? as u32)?,
                b')' => self.sequence(Vec::new()),
                b']' => self.sequence(Vec::new()),
                b't' => {
                    let items = self.since_mark()?;
                    self.sequence(items);
                }
                0x85..=0x87 => {
                    let at = self.stack.len().checked_sub(usize::from(op - 0x84)).ok_or_else(empty)?;
                    let items = self.stack.split_off(at);
                    self.sequence(items);
                }
                b'a' | b'e' => {
                    let items = if *op == b'a' { vec![self.pop()?] } else { self.since_mark()? };
                    if let Some(Value::Sequence(list)) = self.stack.last() {
                        self.sequences[*list as usize].extend(items);
                    }
                }
                b'}' => {
                    let dict = push(&mut self.dicts, Vec::new(), Value::Dict);
                    self.stack.push(dict);
                }
                b's' | b'u' => {
                    let items = match op {
                        b's' => {
                            let value = self.pop()?;
                            vec![self.pop()?, value]
                        }
                        _ => self.since_mark()?,
                    };
                    if let Some(Value::Dict(dict)) = self.stack.last() {
                        self.dicts[*dict as usize].extend(items.as_chunks().0.iter().map(|&[key, value]| (key, value)));
                    }
                }
                b'c' => {
                    let (module, name) = (code.line()?, code.line()?);
                    self.global(module, name)?;
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let (Value::Text(name), Value::Text(module)) = (name, module) else { return Err(odd()) };
                    let of = |index: u32| self.texts[index as usize].clone();
                    let (module, name) = (of(module), of(name));
                    self.global(module, name)?;
                }
                b'Q' => self.persistent()?,
                b'R' => self.reduce()?,
                // What an OrderedDict is given beside its items.
                b'b' => drop(self.pop()?),
                other => {
                    return Err(format!(
                        "its pickle has the instruction {other:#04x}, which no file of tensors needs: refused"
                    ));
                }
            }
        }
    }

    fn pop(&mut self) -> Result<Value, String> {
        self.stack.pop().ok_or_else(empty)
    }

    fn since_mark(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len()).ok_or_else(empty)?;
        Ok(self.stack.split_off(mark))
    }

    fn int(&mut self, value: i64) {
        self.stack.push(Value::Int(value));
    }

    fn word(&mut self, text: String) {
        let value = push(&mut self.texts, text, Value::Text);
        self.stack.push(value);
    }

    fn sequence(&mut self, items: Vec<Value>) {
        let value = push(&mut self.sequences, items, Value::Sequence);
        self.stack.push(value);
    }

    fn keep(&mut self, at: u32) -> Result<(), String> {
        let value = *self.stack.last().ok_or_else(empty)?;
        self.memo.insert(at, value);
        Ok(())
    }

    fn recall(&mut self, at: u32) -> Result<(), String> {
        self.stack.push(*self.memo.get(&at).ok_or_else(odd)?);
        Ok(())
    }

    /// Names what is called later; what is not known is refused here, before anything else is read.
    fn global(&mut self, module: String, name: String) -> Result<(), String> {
        let known = match module.as_str() {
            "torch" => name.ends_with("Storage"),
            "torch._utils" => matches!(name.as_str(), "_rebuild_tensor_v2" | "_rebuild_parameter"),
            "collections" => name == "OrderedDict",
            _ => false,
        };
        if !known {
            return Err(format!(
                "its pickle names {module}.{name}, which could run anything: refused; save the weights alone, by \
                 torch.save(network.state_dict(), FILE)"
            ));
        }
        let value = push(&mut self.globals, (module, name), Value::Global);
        self.stack.push(value);
        Ok(())
    }

    fn text_of(&self, value: Value) -> Option<&str> {
        match value {
            Value::Text(index) => Some(&self.texts[index as usize]),
            _ => None,
        }
    }

    fn items(&self, value: Value) -> &[Value] {
        match value {
            Value::Sequence(index) => &self.sequences[index as usize],
            _ => &[],
        }
    }

    /// `("storage", type, key, location, elements)`.
    fn persistent(&mut self) -> Result<(), String> {
        let id = self.pop()?;
        let &[_, Value::Global(kind), key, ..] = self.items(id) else { return Err(odd()) };
        let key = self.text_of(key).ok_or_else(odd)?.to_owned();
        let kind = match self.globals[kind as usize].1.as_str() {
            "FloatStorage" => Some(Kind::F32),
            "HalfStorage" => Some(Kind::F16),
            "BFloat16Storage" => Some(Kind::BF16),
            "DoubleStorage" => Some(Kind::F64),
            _ => None,
        };
        let value = push(&mut self.storages, Storage { key, kind }, Value::Storage);
        self.stack.push(value);
        Ok(())
    }

    fn reduce(&mut self) -> Result<(), String> {
        let (arguments, called) = (self.pop()?, self.pop()?);
        let Value::Global(called) = called else { return Err(odd()) };
        let made = match (self.globals[called as usize].1.as_str(), self.items(arguments)) {
            ("_rebuild_tensor_v2", &[Value::Storage(storage), Value::Int(offset), dims, strides, ..]) => {
                let numbers = |value| {
                    let number = |item: &Value| match item {
                        Value::Int(number) => usize::try_from(*number).ok(),
                        _ => None,
                    };
                    self.items(value).iter().map(number).collect::<Option<Vec<usize>>>().ok_or_else(odd)
                };
                let (dims, strides) = (numbers(dims)?, numbers(strides)?);
                let offset = usize::try_from(offset).map_err(|_| odd())?;
                if dims.len() != strides.len() {
                    return Err(odd());
                }
                push(&mut self.views, View { storage, offset, dims, strides }, Value::View)
            }
            ("_rebuild_parameter", &[view @ Value::View(_), ..]) => view,
            ("OrderedDict", _) => push(&mut self.dicts, Vec::new(), Value::Dict),
            (name, _) => return Err(format!("its pickle calls {name} in a way that is not known: refused")),
        };
        self.stack.push(made);
        Ok(())
    }

    /// Collects the tensors of dictionaries.
    fn walk(&self, value: Value, name: String, depth: usize, found: &mut Vec<(String, View)>) {
        match value {
            Value::View(view) => found.push((name, self.views[view as usize].clone())),
            Value::Dict(dict) if depth < DEPTH => {
                for &(key, value) in &self.dicts[dict as usize] {
                    let Some(key) = self.text_of(key) else { continue };
                    let name = if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
                    self.walk(value, name, depth + 1, found);
                }
            }
            _ => {}
        }
    }
}

fn empty() -> String {
    "its pickle takes from an empty stack: damaged".to_owned()
}

fn odd() -> String {
    "its pickle makes no sense: damaged".to_owned()
}
