"""Package discovery: three top-level folders install below ``p3d_eval`` (all else is in pyproject.toml)."""

from setuptools import find_packages, setup

packages = find_packages(include=["p3d_eval", "p3d_eval.*"])
for folder in ("features", "protocols", "reports"):
    packages += [f"p3d_eval.{name}" for name in find_packages(include=[folder, f"{folder}.*"])]

setup(packages=packages)
