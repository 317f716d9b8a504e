"""Networks in one file, without their code: programs of torch.export and ONNX models."""
