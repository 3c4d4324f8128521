"""Training: feature tables in, ONNX weights out; one module per model family."""
