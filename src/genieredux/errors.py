"""Errors that a user can mend. The command line prints one as a single line and exits with code 2."""


class UserError(Exception):
    """Bad input or a missing thing: the message says what, where and how to fix it, in one line."""

    def __init__(self, message: str) -> None:
        line = " ".join(message.split())
        super().__init__(line.encode("utf-8", "surrogatepass").decode("utf-8", "replace"))  # names that are not UTF-8


def reason(error: BaseException) -> str:
    """What an exception of a library says, on one line; its class where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
