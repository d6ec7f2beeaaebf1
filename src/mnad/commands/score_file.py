"""mnad score-file."""

# Annotations are not postponed: to resolve them the command line would have to import torch.

from pathlib import Path
from typing import Any

from mnad.errors import UsageError


def score_file(
    scores: str | Path,
    labels: str | Path,
    *,
    json: str | Path | None = None,
    first_frame: int = 0,
    low_is_abnormal: bool = False,
) -> dict[str, Any]:
    """Measure the scores of any method against labels, in every protocol of the field.

    Args:
        scores: FILE.npz with an array (T,) per clip, a folder of NAME.npy or NAME.csv
            (frame,score), or FILE.csv (clip,frame,score). Frames count from 0.
        labels: likewise (label for score; clip,label for whole clips), or a data set such as
            ped2:PATH.
        json: file for all numbers.
        first_frame: number of the first scored frame of each clip, for scores that are not
            numbered; 4 if the first four frames have none.
        low_is_abnormal: low scores mean abnormal, as of a PSNR or a normality.
    """
    from mnad.evaluation.given import evaluate_scores
    from mnad.evaluation.score_files import read_labels, read_scores
    from mnad.writing import require_folder, write_json

    if first_frame < 0:
        raise UsageError(f"first_frame is {first_frame}; frames count from 0.")
    if json is not None:
        require_folder(Path(json))
    result = {"scores": str(scores), "labels": str(labels)} | evaluate_scores(
        read_scores(Path(scores)),
        read_labels(str(labels)),
        first_frame=first_frame,
        low_is_abnormal=low_is_abnormal,
    )
    if json is not None:
        write_json(Path(json), result)
    return result
