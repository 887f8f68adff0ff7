"""What a user can get wrong, as one clear line."""


class BadRequest(ValueError):
    """A request that cannot be served: the message says what was given and what is accepted (exit code 2)."""
