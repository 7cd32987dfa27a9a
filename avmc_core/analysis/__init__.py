"""What trained models do, and how surely: intervals, comparisons, scenarios, cases, reliance,
representations."""
