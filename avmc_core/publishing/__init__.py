"""From results to readers: notebooks, tables, the book, the bundle of results."""
