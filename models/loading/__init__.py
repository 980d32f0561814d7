"""From a weights file to the tensors of a network, strictly."""
