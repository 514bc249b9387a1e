"""Entry point of the command; nothing heavy is imported before a command needs it."""

import sys
from functools import partial

import fabric


def main() -> int:
    """Runs the command line and returns the exit code; every error becomes one sentence on standard error."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"cryptlet {fabric.__version__}\n")
        return 0
    from fabric.cli.plain import plain
    from fabric.core.errors import FabricError

    try:
        return _run()
    except FabricError as error:
        from fabric.gateway.status import row_of

        sys.stderr.write(f"error: {plain(str(error))}\n")
        return row_of(error).exit_code
    except OSError as error:
        # A disk that is full, a folder that may not be written, a reader of our output that is gone.
        sys.stderr.write(f"error: {plain(str(error))}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130


def _run() -> int:
    import typer

    from fabric.cli import completion
    from fabric.cli.app import build_app
    from fabric.cli.shadows import refuse_shadowed_packages

    if "doctor" not in sys.argv[1:2]:  # which tells of it in a row of its own
        refuse_shadowed_packages()
    completion.prepare()
    try:
        code = build_app()(standalone_mode=False, prog_name=completion.PROGRAM)
    except typer.TyperException as error:
        # A wrong use shows the usage, what is wrong and where help is; the base class has only its sentence.
        show = getattr(error, "show", partial(print, f"error: {error}", file=sys.stderr))
        show()
        return error.exit_code
    except typer.Abort:
        sys.stderr.write("aborted\n")
        return 130
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
