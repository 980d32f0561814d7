"""Objectives of training: TimeT, MoSiC, contrast, image pre-training."""
