"""The TimeT trainer: backbones tuned on unlabelled video, and its parts as pure pieces."""
