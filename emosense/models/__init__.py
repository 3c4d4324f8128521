"""Models: directories with ``model.json``, which describes the model, and its ONNX weights."""
