"""The main job from beginning to end on a rendered scene, in a few minutes on two cores."""

from pathlib import Path

from mnad import api
from mnad.config import TrainConfig
from mnad.errors import UsageError
from mnad.evaluation.text import report_text


def demo(out: Path = Path("demo"), *, seed: int = 0, epochs: int = 2) -> str:
    """Render a fixed-camera scene, train on it, evaluate, and detect in a clip never seen.

    Args:
        out: folder for everything.
        seed: of the scene's people and weather, and of the training.
        epochs: passes over the training windows.
    """
    from mnad.scene.dataset import write_dataset
    from mnad.scene.scene import SceneConfig

    TrainConfig(epochs=epochs, seed=seed)  # refused before there is a scene
    out = Path(out)
    model = out / "model"
    if model.exists():
        raise UsageError(f"{model} exists already; remove {out} or give another --out.")
    scene = out / "scene"
    config = SceneConfig(height=256, width=384)
    print(f"rendering a scene with exact ground truth into {scene}", flush=True)
    write_dataset(scene, config, seed=seed)
    print("training a compact model on its normal clips", flush=True)
    api.train(
        str(scene),
        out=model,
        channels=1,
        width=0.25,
        height=config.height // 4,
        image_width=config.width // 4,
        epochs=epochs,
        learning_rate=1e-3,  # high, to get far in a few minutes
        false_alarms_per_hour=6,  # one an hour is much to extrapolate from a minute kept back
        seed=seed,
    )
    result = api.evaluate(model, str(scene), json=out / "evaluation.json", plot=out / "scores.png")
    print(report_text(result), flush=True)
    clip = next(iter(result["frames_detail"]))
    (found,) = api.detect(model, [str(scene / "testing" / f"{clip}.mp4")], out=out / "detection")
    auc, controls = result["auc"]["per_clip_minmax_micro"], result["controls"]
    best = max(
        controls[name]["per_clip_minmax_micro"]
        for name in ("squared_difference", "squared_difference_block")
    )
    return (
        f"\nframe AUC {auc:.3f} (the paper's score, per-clip min-max), "
        f"{result['parts']['camera']['causal_micro']:.3f} (the score for cameras, causal); best "
        f"frame-difference control {best:.3f}\n"
        f"{found.events} event(s) in clip {clip}: {found.out / 'report.html'}\n"
        f"overlay video: {found.out / 'overlay.mp4'}\n"
        f"scores of that clip: {found.out / 'scores.csv'}\n"
        f"scores of all clips: {out / 'scores.png'}, {out / 'evaluation.json'}"
    )
