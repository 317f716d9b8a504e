"""``python -m p3d_eval`` and the ``p3d-eval`` script."""

from p3d_eval.cli import app


def main() -> None:
    """Run the command line and exit with its status."""
    app(prog_name="p3d-eval")


if __name__ == "__main__":
    main()
