"""Features from a pretrained encoder that the user provides as an ONNX file."""
