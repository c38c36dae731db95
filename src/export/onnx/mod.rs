//! ONNX: the network as a model that other runtimes run. The evaluation graph is translated node by node, so that whatever networks this program
//! has, the model is the same; images are `[N, C, H, W]` there, and weights have PyTorch's layouts and torchvision's names.

mod proto;
mod translate;

use std::path::{Path, PathBuf};

use prost::Message;
use proto::{Dimension, GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto, TensorShapeProto};
use proto::{TensorType, TypeProto, ValueInfoProto};
use translate::Translation;

use super::{ExportError, card, facts};
use crate::atomic;
use crate::config::Config;
use crate::graph::{Graph, Shape};
use crate::method;
use crate::model::Parameters;
use crate::train::checkpoint::Checkpoint;

/// The version of ONNX's operators and that of its file format: the newest that onnxruntime since 1.18 (2024) and tract both take.
const OPSET: i64 = 21;
const IR_VERSION: i64 = 10;

/// A network to be written as an ONNX model: input `image` `[N, 3, S, S]`, RGB; output `features` `[N, F]`.
#[derive(Debug, Clone)]
pub struct OnnxExport<'a> {
    /// Its settings.
    pub config: &'a Config,
    /// Its weights.
    pub checkpoint: &'a Checkpoint,
    /// Whether the projector is there too, with an output `projection` `[N, D]`.
    pub projector: bool,
    /// Whether images have values 0 to 1 and the model normalises them with the run's mean and std; otherwise they are normalised already.
    pub normalize: bool,
}

impl OnnxExport<'_> {
    /// Writes the model to `path`, and beside it a card in Markdown. Returns how many nodes there are, and the card's path.
    pub fn write(&self, path: &Path) -> Result<(usize, PathBuf), ExportError> {
        super::check_finite(self.checkpoint)?;
        let model = self.model()?;
        // Protobuf's limit; weights in files of their own would be needed.
        if model.encoded_len() > i32::MAX as usize {
            return Err(ExportError::TooLarge { file: path.to_owned(), bytes: model.encoded_len() as u64 });
        }
        let failed = |reason| ExportError::Write { file: path.to_owned(), reason };
        atomic::write(path, |file| file.write_all(&model.encode_to_vec())).map_err(failed)?;
        let card = card::write(path, &self.card(path))?;
        Ok((model.graph.map_or(0, |graph| graph.node.len()), card))
    }

    fn card(&self, path: &Path) -> String {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let size = self.config.data.image_size;
        let mut text = card::head(self.config, self.checkpoint);
        let values = match self.normalize {
            true => "values 0 to 1: the model normalises them itself",
            false => "normalised by the mean and std above",
        };
        let outputs = match self.projector {
            true => "features, projection = ",
            false => "features, = ",
        };
        text += &format!(
            "An ONNX model (opset {OPSET}): input `image`, float32 [N, 3, {size}, {size}], RGB, {values}.\n\n```python\nimport numpy, onnxruntime\n\n\
             session = onnxruntime.InferenceSession(\"{file}\")\nimage = numpy.zeros((1, 3, {size}, {size}), numpy.float32)\n\
             {outputs}session.run(None, {{\"image\": image}})\n```\n"
        );
        text
    }

    fn model(&self) -> Result<ModelProto, ExportError> {
        let Config { data, augment, model, .. } = self.config;
        let size = data.image_size;
        let (mut graph, mut parameters) = (Graph::new(), Parameters::new());
        let images = graph.input("image", Shape::rows([1, size, size, 3]));
        let network = method::evaluation(&mut graph, images, self.config, &mut parameters, self.projector)?;
        let weights = self.checkpoint.weights(&parameters)?;
        let mut translation = Translation::new(&graph);
        for (entry, values) in parameters.entries().iter().zip(&weights) {
            translation.weight(&entry.name, &entry.pytorch_dims(), &entry.to_pytorch(values));
        }
        translation.image(images, self.normalize.then_some((augment.mean, augment.std)));
        let mut outputs = vec![("features", network.features)];
        outputs.extend(network.z.map(|z| ("projection", z)));
        translation.nodes()?;
        for &(name, tensor) in &outputs {
            translation.rename(tensor, name);
        }
        let outputs = outputs.iter().map(|&(name, tensor)| value(name, &[graph.shape(tensor).channels()])).collect();
        let mut metadata = facts(self.config, self.checkpoint);
        let normalization = if self.normalize { "inside" } else { "outside" };
        metadata.insert("normalization".to_owned(), normalization.to_owned());
        Ok(ModelProto {
            ir_version: IR_VERSION,
            producer_name: "simsiam".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            doc_string: format!("{} trained with {} without labels", model.arch, self.config.method.name()),
            graph: Some(GraphProto {
                node: translation.nodes,
                name: model.arch.to_string(),
                initializer: translation.initializers,
                input: vec![value("image", &[3, size, size])],
                output: outputs,
            }),
            opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: OPSET }],
            metadata_props: metadata.into_iter().map(|(key, value)| StringStringEntryProto { key, value }).collect(),
        })
    }
}

/// An input or output: floats, as many rows `N` as there are images, of these dimensions.
fn value(name: &str, dims: &[usize]) -> ValueInfoProto {
    let rows = Dimension { dim_param: Some("N".to_owned()), dim_value: None };
    let known = dims.iter().map(|&dim| Dimension { dim_param: None, dim_value: Some(dim as i64) });
    let shape = TensorShapeProto { dim: std::iter::once(rows).chain(known).collect() };
    let tensor_type = Some(TensorType { elem_type: proto::FLOAT, shape: Some(shape) });
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type }) }
}

#[cfg(test)]
mod tests;
