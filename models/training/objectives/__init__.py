"""What training minimises: TimeT, MoSiC, contrast, image pre-training."""
