"""Training: feature tables in, ONNX weights out; one module a model family."""
