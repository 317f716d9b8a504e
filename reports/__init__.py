"""Results to tables and figures, with the published rows beside them."""
