"""From a raw clip to features to a prediction."""
