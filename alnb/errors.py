"""What a user can get wrong, as one clear line; exit codes."""

OK, FAILED, BAD = 0, 1, 2  # all well; some run failed; the request cannot be served


class BadRequest(ValueError):
    """A request that cannot be served: the message says what was given and what is accepted (exit code 2)."""

    def _render_traceback_(self) -> list[str]:  # IPython asks for it: in a cell, too, it is one line
        return [f"{type(self).__name__}: {self}"]


class Interrupted(KeyboardInterrupt):
    """A cell that was interrupted at work; the message says what is kept, and how to go on."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]
