"""The engines that compute a model's scores: torch, OpenVINO, ONNX Runtime."""
