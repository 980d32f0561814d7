"""Where tasks are run: this process, a Ray cluster, or Slurm; engines place and retry them."""
