//! Weights in: the backbone that another program has trained, and its heads where they are those of the method, as the first values of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::state_dict::Tensor;
use super::{ExportError, ImportError, StateDict};
use crate::config::{Arch, Config, Stem};
use crate::graph::{Graph, Shape};
use crate::method;
use crate::model::{Arena, Entry, Parameters};
use crate::train::checkpoint::Checkpoint;
use crate::train::{RunFolder, TrainError};

/// A backbone found in a file.
#[derive(Debug)]
pub struct Import<'a> {
    file: &'a StateDict,
    /// What stands before the backbone's names in the file.
    pub prefix: String,
    /// Other backbones in the file, by their prefixes, which are not taken.
    pub others: Vec<String>,
    /// Whether modules are numbered, as in `nn.Sequential(*resnet.children())`.
    numbered: bool,
}

/// What was taken.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Tensors of the backbone.
    pub backbone: usize,
    /// Tensors of the heads and of what else the method has.
    pub heads: usize,
    /// Tensors that begin as in a new run, because the file has none of that name and shape.
    pub new: Vec<String>,
    /// Tensors of the file that nothing here has.
    pub unused: usize,
}

/// The modules of torchvision's ResNet by their numbers among its children.
const CHILDREN: [(&str, &str); 6] =
    [("0", "conv1"), ("1", "bn1"), ("4", "layer1"), ("5", "layer2"), ("6", "layer3"), ("7", "layer4")];

impl<'a> Import<'a> {
    /// Looks for a ResNet among the names of a file, behind any prefix: `module.`, `encoder.`, `encoder_q.`, `backbone.`, `state_dict.` and so
    /// on. Of several the one that is trained by gradients is taken.
    pub fn find(file: &'a StateDict) -> Result<Import<'a>, ExportError> {
        let has = |prefix: &str, name: &str| file.tensors.contains_key(&format!("{prefix}{name}"));
        let mut found = Vec::new();
        for name in file.tensors.keys() {
            if let Some(prefix) = name.strip_suffix("conv1.weight")
                && has(prefix, "bn1.running_mean")
                && has(prefix, "layer1.0.conv1.weight")
            {
                found.push((prefix.to_owned(), false));
            }
            if let Some(prefix) = name.strip_suffix("0.weight")
                && has(prefix, "1.running_mean")
                && has(prefix, "4.0.conv1.weight")
            {
                found.push((prefix.to_owned(), true));
            }
        }
        let averaged = ["momentum", "encoder_k", "target", "ema", "teacher", "_k."];
        found.sort_by_key(|(prefix, _)| (averaged.iter().any(|part| prefix.contains(part)), prefix.len()));
        if found.is_empty() {
            let first: Vec<&str> = file.tensors.keys().take(3).map(String::as_str).collect();
            let problem = match first.is_empty() {
                true => "it holds no tensors of floats".to_owned(),
                false => format!(
                    "none of its {} tensors ({}, …) are those of a ResNet as torchvision names them (conv1, bn1, layer1.0.conv1, …)",
                    file.tensors.len(),
                    first.join(", ")
                ),
            };
            return Err(ExportError::Network { file: file.origin.clone(), problem });
        }
        let (prefix, numbered) = found.remove(0);
        Ok(Import { file, prefix, others: found.into_iter().map(|(prefix, _)| prefix).collect(), numbered })
    }

    /// The tensor of the file that torchvision calls so.
    fn backbone(&self, name: &str) -> Option<&'a Tensor> {
        self.file.tensors.get(&self.in_file(name))
    }

    fn in_file(&self, name: &str) -> String {
        let child = |(number, module): &(&str, &str)| Some(format!("{number}{}", name.strip_prefix(module)?));
        let name = match self.numbered {
            true => CHILDREN.iter().find_map(child).unwrap_or_else(|| name.to_owned()),
            false => name.to_owned(),
        };
        format!("{}{name}", self.prefix)
    }

    /// Sets the keys of `[model]` that describe the backbone to what the file has.
    pub fn configure(&self, config: &mut Config) -> Result<(), ExportError> {
        let refuse = |problem: String| ExportError::Network { file: self.file.origin.clone(), problem };
        let stem = self.backbone("conv1.weight").map_or(&[][..], |tensor| &tensor.dims);
        let &[width, 3, kernel, _] = stem else {
            return Err(refuse(format!(
                "{} is no convolution of images of three channels: {stem:?}",
                self.in_file("conv1.weight")
            )));
        };
        config.model.stem = match kernel {
            3 => Stem::Cifar,
            7 => Stem::Imagenet,
            other => {
                return Err(refuse(format!("its first convolution is {other}x{other}; this program has 3x3 and 7x7")));
            }
        };
        let blocks_of = |stage: usize| {
            (0..).take_while(|block| self.backbone(&format!("layer{stage}.{block}.conv1.weight")).is_some()).count()
        };
        let blocks: Vec<usize> = (1..=4).map(blocks_of).take_while(|&blocks| blocks > 0).collect();
        let bottleneck = self.backbone("layer1.0.conv3.weight").is_some();
        config.model.arch = match (bottleneck, &blocks[..]) {
            (false, [2, 2, 2, 2]) => Arch::Resnet18,
            (false, [3, 4, 6, 3]) => Arch::Resnet34,
            (false, _) => Arch::ResnetTiny,
            (true, [3, 4, 23, 3]) => Arch::Resnet101,
            (true, _) => Arch::Resnet50,
        };
        (config.model.width, config.model.blocks) = (width, blocks);
        Ok(())
    }

    /// Makes a run in `folder` that begins with the weights of the file: settings, and a checkpoint from before the first step, of
    /// `images` training images. What the file does not have begins as in a new run.
    pub fn begin(&self, config: &Config, images: usize, folder: &Path) -> Result<Imported, ImportError> {
        let (parameters, problem) =
            (parameters(config, images)?, |problem| ExportError::Network { file: self.file.origin.clone(), problem });
        let method = method::of(config);
        // What stands before the names of the method's own code in the file, if that is where it comes from.
        let root = method.authors_name("encoder.conv1.weight").and_then(|name| {
            let all = format!("{}conv1.weight", self.prefix);
            Some(all.strip_suffix(&name)?.to_owned())
        });
        let mut values = parameters.initialize(config.run.seed);
        let (mut imported, mut used) = (Imported::default(), BTreeSet::new());
        let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, entry) in parameters.entries().iter().enumerate() {
            let backbone = entry.name.strip_prefix("encoder.").filter(|name| !name.starts_with("fc."));
            let authors = || Some(format!("{}{}", root.as_ref()?, method.authors_name(&entry.name)?));
            let name = backbone.map(|name| self.in_file(name)).or_else(authors);
            let tensor = name.as_ref().and_then(|name| Some((name, self.file.tensors.get(name)?)));
            match tensor {
                Some((name, tensor)) if tensor.dims == entry.pytorch_dims() => {
                    if tensor.values.iter().any(|value| !value.is_finite()) {
                        return Err(problem(format!("{name} holds values that are not finite")).into());
                    }
                    values[index] = entry.from_pytorch(&tensor.values);
                    match backbone {
                        Some(_) => imported.backbone += 1,
                        None => imported.heads += 1,
                    }
                    used.insert(name.clone());
                    taken.insert(&entry.name, index);
                }
                Some((name, tensor)) if backbone.is_some() => {
                    let wanted = entry.pytorch_dims();
                    return Err(problem(format!(
                        "{name} is {:?}, a ResNet of this width has {wanted:?} there",
                        tensor.dims
                    ))
                    .into());
                }
                None if backbone.is_some() => {
                    return Err(problem(format!("it lacks {}", name.unwrap_or_default())).into());
                }
                _ => begin_alike(entry, &taken, index, &mut values, &mut imported),
            }
        }
        imported.unused = self.file.tensors.len() - used.len();
        let momentum: Vec<Vec<f32>> =
            parameters.of(Arena::PARAMETERS).map(|entry| vec![0.0; entry.shape.len()]).collect();
        let run = RunFolder::create(folder, config)?;
        let mut checkpoint = Checkpoint::new(&parameters, &values, Some(&momentum));
        checkpoint.config = Some(config.to_toml().map_err(TrainError::from)?);
        checkpoint.set_imported(&self.file.origin);
        if let Err(error) = checkpoint.save(&RunFolder::newest_checkpoint(run.path())) {
            run.discard();
            return Err(TrainError::from(error).into());
        }
        Ok(imported)
    }
}

/// A momentum encoder begins as the encoder, with its running statistics (`copy.deepcopy` in PyTorch); everything else as in a new run.
fn begin_alike(
    entry: &Entry,
    taken: &BTreeMap<&str, usize>,
    index: usize,
    values: &mut [Vec<f32>],
    imported: &mut Imported,
) {
    let encoder = entry.name.strip_prefix("momentum_").and_then(|name| taken.get(name));
    match encoder {
        Some(&encoder) => values[index] = values[encoder].clone(),
        None => imported.new.push(entry.name.clone()),
    }
}

/// The table of a training.
fn parameters(config: &Config, images: usize) -> Result<Parameters, TrainError> {
    let (mut parameters, mut graph) = (Parameters::new(), Graph::new());
    let batch = config.optim.batch_size;
    let groups = method::of(config).views(config);
    let shapes = groups.iter().map(|group| [group.count() * batch, group.size, group.size, 3]);
    let views: Vec<_> = shapes.map(|shape| graph.input("views", Shape::rows(shape))).collect();
    method::training_step(&mut graph, &views, images, config, &mut parameters)?;
    Ok(parameters)
}
