"""A small study from videos to tables: rendered clips of 20 motions, two networks, two protocols."""
