"""The embedded corpus: simulated clips with the released schema and the real label statistics."""
