"""Drawing tables: one module a format, each a function from a table to text."""
