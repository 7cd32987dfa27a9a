"""AV-MC and the baselines, one file per model, and the registry that names them."""
