"""The paper's statements and our results: its claims, its label tables, its figures, and those
published by others."""
