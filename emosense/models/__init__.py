"""Models: self-describing directories of `model.json` and ONNX weights."""
