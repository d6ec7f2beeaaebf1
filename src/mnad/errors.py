"""What goes wrong for a user, said in one sentence."""


class MnadError(Exception):
    """Bad data: the sentence names the file or input, what was wrong with it, and what to do.

    The command line prints it after ``mnad: `` without a traceback and ends with `exit_code`.
    """

    exit_code = 1


class UsageError(MnadError):
    """A wrong argument or option, as opposed to bad data."""

    exit_code = 2
