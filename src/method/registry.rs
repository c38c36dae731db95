//! Which methods there are: a line a method.

use std::sync::{PoisonError, RwLock};

use super::{Method, byol, moco, simclr, simsiam, swav};
use crate::config::{Config, MethodConfig, MethodSection, MethodSettings};

/// The methods of this crate, in the order in which they are listed to users.
const BUILT_IN: [Registered; 6] = [
    Registered::of::<simsiam::SimSiam>(),
    Registered::of::<simclr::SimClr>(),
    Registered::of::<moco::MocoV1>(),
    Registered::of::<moco::MocoV2>(),
    Registered::of::<byol::Byol>(),
    Registered::of::<swav::SwAv>(),
];

/// A method that configurations may name.
#[derive(Debug, Clone, Copy)]
pub struct Registered {
    section: MethodSection,
    make: fn(&MethodConfig) -> Box<dyn Method>,
}

impl Registered {
    /// The method whose settings are `M`.
    pub const fn of<M: Method + MethodSettings + 'static>() -> Registered {
        Registered { section: MethodSection::of::<M>(), make: |config| Box::new(config.settings::<M>()) }
    }
}

/// All methods, and their names.
struct Registry {
    methods: Vec<Registered>,
    names: &'static [&'static str],
}

static ADDED: RwLock<Registry> = RwLock::new(Registry { methods: Vec::new(), names: &NAMES });

const NAMES: [&str; BUILT_IN.len()] = {
    let mut names = [""; BUILT_IN.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = BUILT_IN[i].section.name;
        i += 1;
    }
    names
};

/// Adds a method of another crate, for the rest of the process: configurations may name it from here on. One that has the name of a
/// method that is there is left out.
pub fn register(method: Registered) {
    let mut added = ADDED.write().unwrap_or_else(PoisonError::into_inner);
    if !added.names.contains(&method.section.name) {
        added.methods.push(method);
        // A few words a method, once.
        added.names = Vec::leak([added.names, &[method.section.name]].concat());
    }
}

/// Names of all methods.
pub(crate) fn names() -> &'static [&'static str] {
    ADDED.read().unwrap_or_else(PoisonError::into_inner).names
}

fn all() -> Vec<Registered> {
    let added = ADDED.read().unwrap_or_else(PoisonError::into_inner);
    BUILT_IN.iter().chain(&added.methods).copied().collect()
}

/// The keys of all methods, for the configuration.
pub(crate) fn sections() -> Vec<MethodSection> {
    all().into_iter().map(|method| method.section).collect()
}

/// The method that a configuration names, with its settings.
pub fn of(config: &Config) -> Box<dyn Method> {
    let make = |method: Registered| (method.make)(&config.method);
    let named = all().into_iter().find(|method| method.section.name == config.method.name());
    // A configuration names one that is there.
    make(named.unwrap_or(BUILT_IN[0]))
}
