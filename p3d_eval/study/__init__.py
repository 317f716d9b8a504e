"""A whole study from one file: what is missing is extracted, evaluated and reported; what is there is kept.

`p3d_eval.study.run.run_study` does it. Nothing is imported here: every process of a study imports this package.
"""
