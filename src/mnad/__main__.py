"""``python -m mnad``."""

from mnad.cli import main

raise SystemExit(main())
