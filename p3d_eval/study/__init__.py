"""A whole study from one file: what is missing is extracted, evaluated and reported; what is there is kept."""

from p3d_eval.study.run import StudyRun, run_study

__all__ = ["StudyRun", "run_study"]
