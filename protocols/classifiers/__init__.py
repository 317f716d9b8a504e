"""Classifiers with a proof of convergence."""

from p3d_eval.protocols.classifiers.linear_svc import OneVsRestLinearSVC

__all__ = ["OneVsRestLinearSVC"]
