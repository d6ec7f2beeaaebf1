"""How a script ends that was given what it cannot use: in one sentence, as the commands do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from mnad.errors import MnadError


def run(main: Callable[[], int | None]) -> None:
    """Run the main function of a script, and end with its exit code.

    A traceback is for what is wrong with the script. What is wrong with what it was given is told
    after its name, and the exit code is not 0.
    """
    try:
        sys.exit(main())
    except MnadError as error:
        said, code = str(error), error.exit_code
    except OSError as error:
        if error.filename is None:  # of no file that was given
            raise
        said, code = f"{error.filename} cannot be used ({error.strerror}).", 1
    print(f"{Path(sys.argv[0]).name}: {said}", file=sys.stderr)
    sys.exit(code)
