"""``inpaintx web``: the page to paint the hole and see the fill."""

from typing import Annotated

import typer

from inpaintx.cli.console import say

__all__ = ["web"]


def web(
    host: Annotated[
        str, typer.Option(help="Address to listen on; another than loopback needs --auth or --no-auth.")
    ] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Port.", show_default="the first free one from 7860")] = None,
    auth: Annotated[str | None, typer.Option(metavar="USER:PASSWORD", help="Ask for these.")] = None,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Let in whoever reaches the host.")] = False,
    api_only: Annotated[bool, typer.Option("--api-only", help="Serve the HTTP API without the page.")] = False,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = False,
) -> None:
    """Open a page to paint the hole and see the fill (the extra [web]); Ctrl-C ends it."""
    from inpaintx.web.server import Address, serve

    def ready(url: str) -> None:
        say(f"{'the API' if api_only else 'the page'} is at {url} (Ctrl-C ends it)")
        if host not in ("127.0.0.1", "localhost", "::1"):
            say(f"other machines can reach it{', without a password' if no_auth else ''}", "stderr")
        if browser:
            typer.launch(url)

    serve(Address(host, port, auth, no_auth), api_only=api_only, ready=ready)
