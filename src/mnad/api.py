"""What a program imports: the functions of all commands.

Most are attributes of `mnad` too. `watch`, `bench` and `reproduce` are not, as packages within it
bear these names: ``from mnad import api``, then ``api.watch(…)``.
"""

from mnad.commands.ablate import ablate
from mnad.commands.bench import bench
from mnad.commands.calibrate import calibrate
from mnad.commands.data import check_data, prepare_data
from mnad.commands.detect import detect
from mnad.commands.evaluate import evaluate
from mnad.commands.export import export
from mnad.commands.figures import figures
from mnad.commands.models import copy_model, import_checkpoint, info, list_models
from mnad.commands.reproduce import reproduce
from mnad.commands.score_file import score_file
from mnad.commands.train import MethodOptions, train
from mnad.commands.watch import Watched, mark, review, watch

__all__ = [
    "MethodOptions",
    "Watched",
    "ablate",
    "bench",
    "calibrate",
    "check_data",
    "copy_model",
    "detect",
    "evaluate",
    "export",
    "figures",
    "import_checkpoint",
    "info",
    "list_models",
    "mark",
    "prepare_data",
    "reproduce",
    "review",
    "score_file",
    "train",
    "watch",
]
