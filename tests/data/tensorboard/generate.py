"""Writes events.out.tfevents.1 with TensorBoard's own package (2.21): PYTHON generate.py"""
import os

from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2
from tensorboard.summary.writer.record_writer import RecordWriter


def metadata(plugin, data_class, description):
    data = summary_pb2.SummaryMetadata.PluginData(plugin_name=plugin)
    return summary_pb2.SummaryMetadata(plugin_data=data, summary_description=description, data_class=data_class)


def tensor(dims, **values):
    shape = tensor_shape_pb2.TensorShapeProto(dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=n) for n in dims])
    return tensor_pb2.TensorProto(tensor_shape=shape, **values)


Value = summary_pb2.Summary.Value
events = [
    event_pb2.Event(wall_time=1.5, file_version="brain.Event:2"),
    event_pb2.Event(wall_time=2.25, step=3, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START)),
    event_pb2.Event(wall_time=3.0, step=3, summary=summary_pb2.Summary(value=[
        Value(tag="train/loss", simple_value=-0.5, metadata=metadata("scalars", summary_pb2.DATA_CLASS_SCALAR, "Loss")),
        Value(tag="train/zero", simple_value=0.0),
    ])),
    event_pb2.Event(wall_time=4.0, step=300, summary=summary_pb2.Summary(value=[
        Value(tag="histogram", metadata=metadata("histograms", summary_pb2.DATA_CLASS_TENSOR, ""),
              tensor=tensor([1, 3], dtype=types_pb2.DT_DOUBLE, double_val=[0.25, 0.5, 7.0])),
        Value(tag="image", metadata=metadata("images", summary_pb2.DATA_CLASS_BLOB_SEQUENCE, ""),
              tensor=tensor([3], dtype=types_pb2.DT_STRING, string_val=[b"2", b"1", b"\x89PNG\xff"])),
    ])),
]
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "events.out.tfevents.1"), "wb") as file:
    writer = RecordWriter(file)
    for event in events:
        writer.write(event.SerializeToString(deterministic=True))
    writer.flush()
