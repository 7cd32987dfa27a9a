"""The data path: the released files in, the feature store out, and back."""
