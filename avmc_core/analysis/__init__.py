"""The behaviour of trained models, with uncertainty: intervals, comparisons, scenarios, cases,
reliance, representations."""
