"""The command line: parsing and printing only. One file a group of commands."""

import functools
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from inpaintx.cli import (
    demo,
    doctor,
    evaluate,
    export,
    fetch,
    inpaint,
    mask,
    methods,
    plugins,
    prepare,
    train,
    train_aligner,
    web,
    weights,
)
from inpaintx.cli.console import any_text, chatter_to_stderr, close_stdout, say
from inpaintx.cli.ray import spell_address
from inpaintx.errors import InpaintxError
from inpaintx.io.memory import ran_out
from inpaintx.plugin.plugin_errors import blamed
from inpaintx.plugin.registry import registry

__all__ = ["main", "make_app", "run"]


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    any_text()
    code = run(sys.argv[1:])
    close_stdout()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command.

    Returns
    -------
    int
        0; 1 if some of several photos were not done or a method breaks the contract; 2 for input at fault; 130 if
        it was stopped.
    """
    debug = "--debug" in arguments  # wherever it stands
    # two options with an optional value; typer has none
    spelt = ["--resize-mask=fit" if word == "--resize-mask" else word for word in arguments if word != "--debug"]
    spelt = spell_address(spelt)
    try:
        if "" in spelt:  # which Path would take for the current folder
            before = f" behind {spelt[spelt.index('') - 1]!r}" if spelt.index("") else ""
            raise InpaintxError(f"an argument is empty{before}; is a variable of the shell not set?")
        app = make_app()
        with _command_blamed(spelt):
            app(spelt, prog_name="inpaintx")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1 if end.code else 0
    except InpaintxError as error:
        if debug:
            traceback.print_exception(error)
        say(f"inpaintx: {error}", "stderr")
        return 2
    except OSError as error:  # what no check foresaw: a folder without rights, a name too long
        say(f"inpaintx: {error.filename or 'a file'}: {error.strerror or error}", "stderr")
        return 2
    except KeyboardInterrupt:
        say("inpaintx: stopped", "stderr")
        return 130
    except Exception as error:
        if not ran_out(error):
            raise
        say("inpaintx: there is not enough memory; close other programs, or give it less to do at once", "stderr")
        return 2
    return 0


@contextmanager
def _command_blamed(words: list[str]) -> Iterator[None]:
    """Name the plugin whose command fails; the exit code that it chooses stays."""
    command = next((word for word in words if not word.startswith("-")), None)
    plugin = next((p for p in registry().plugins if command in p.commands), None)
    try:
        yield
    except Exception as error:
        if plugin is None or isinstance(error, BrokenPipeError):
            raise
        with blamed(f"command {command!r} of {plugin.words}", "its function"):
            raise error


def make_app() -> typer.Typer:
    """Put the application together: the project's own commands, then those of plugins."""
    app = typer.Typer(
        name="inpaintx",
        add_completion=True,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for command in (
        inpaint.inpaint,
        mask.mask,
        prepare.prepare,
        train.train,
        train_aligner.train_aligner,
        export.export,
        evaluate.evaluate,
        demo.demo,
        web.web,
        methods.methods,
        plugins.plugins,
        plugins.check,
        plugins.new_plugin,
        fetch.fetch,
        doctor.doctor,
    ):
        app.command()(command)
    app.add_typer(weights.app)
    with chatter_to_stderr():  # what plugins print while they are loaded is no command's output
        _add_commands_of_plugins(app)
    for info in app.registered_commands:
        info.callback = _stoppable(info.callback) if info.callback else None
    return app


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=lambda wanted: _version(wanted), is_eager=True, help="Show the version."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the trace of an error, a plugin's too.")] = False,
) -> None:
    """Fill holes in face photographs."""


def _version(wanted: bool) -> None:
    if wanted:
        from inpaintx import __version__

        say(f"inpaintx {__version__}")
        raise typer.Exit


def _add_commands_of_plugins(app: typer.Typer) -> None:
    """Call each plugin's hook by itself: one that fails, or takes a name that is taken, loses its commands."""
    manager = registry().manager
    taken = _names(app.registered_commands, app.registered_groups)
    for name, module in manager.list_name_plugin():
        plugin = next(p for p in registry().plugins if p.name == name)
        before = list(app.registered_commands), list(app.registered_groups), app.registered_callback
        others = [p for p in manager.get_plugins() if p is not module]
        try:
            manager.subset_hook_caller("inpaintx_register_commands", others)(app=app)
            commands, groups = len(before[0]), len(before[1])
            kept = (app.registered_commands[:commands], app.registered_groups[:groups], app.registered_callback)
            if kept != before:
                raise ValueError("it changes commands that are not its own")
            own = _names(app.registered_commands[commands:], app.registered_groups[groups:])
            if own & taken:
                raise ValueError(f"command {min(own & taken)!r} is taken")
            plugin.commands = sorted(own)
            taken |= own
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may fail in any way, SystemExit among them
            app.registered_commands[:], app.registered_groups[:], app.registered_callback = before
            if plugin.error is None:
                plugin.error = f"its commands: {type(error).__name__}: {error}"


def _names(commands: list[Any], groups: list[Any]) -> set[str]:
    """Names that commands and groups have on the command line, as typer gives them."""
    app = typer.Typer()
    app.callback()(lambda: None)
    app.registered_commands, app.registered_groups = commands, groups
    return set(typer.main.get_group(app).commands)


def _stoppable(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn Ctrl-C into one line and exit code 130; typer itself would say "Aborted!" and return 1."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except KeyboardInterrupt:
            say("inpaintx: stopped", "stderr")
            raise typer.Exit(130) from None

    return wrapped
