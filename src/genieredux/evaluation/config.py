"""The knobs of an evaluation, typed. It knows nothing of what is evaluated."""

from dataclasses import asdict, dataclass

from genieredux.errors import UserError


@dataclass(frozen=True)
class EvalConfig:
    """The few to change: `horizon`, `batch_size`, `seed`.

    prompt_frames: true frames given to the world; horizon: frames predicted after them (clips have both).
    compare_at: the horizon t of the headline delta PSNR (the papers: 4).
    last_action_horizons: where the `last_action` delta PSNR is measured; each t costs two rollouts of t
    frames.
      Empty means (compare_at,).
    batch_size: clips decoded at once; the noise of a clip does not depend on it.
    seed: of the sampling noise, the random actions and the bootstrap.
    resamples, interval: of the bootstrap over episodes; 0.95 is a 95 % interval.
    keep_clips: clips of each test set whose frames are kept for pictures, spread evenly over the set.
    """

    prompt_frames: int = 2
    horizon: int = 10
    compare_at: int = 4
    last_action_horizons: tuple[int, ...] = ()
    batch_size: int = 32
    seed: int = 0
    resamples: int = 2000
    interval: float = 0.95
    keep_clips: int = 8

    def __post_init__(self) -> None:
        for name in ("prompt_frames", "horizon", "batch_size", "resamples"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        _require(1 <= self.compare_at <= self.horizon, "compare_at", self.compare_at, f"1 to {self.horizon}")
        _require(0 < self.interval < 1, "interval", self.interval, "between 0 and 1")
        _require(self.keep_clips >= 0, "keep_clips", self.keep_clips, "0 or more")
        for t in self.last_action_horizons:
            _require(1 <= t <= self.horizon, "last_action_horizons", t, f"1 to {self.horizon} each")

    @property
    def last_action_at(self) -> tuple[int, ...]:
        """The horizons of the `last_action` delta PSNR, sorted; `compare_at` is always one."""
        return tuple(sorted({self.compare_at, *self.last_action_horizons}))

    @property
    def clip_length(self) -> int:
        """Frames that a clip must have."""
        return self.prompt_frames + self.horizon

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {**asdict(self), "last_action_horizons": list(self.last_action_at)}


@dataclass(frozen=True)
class EvalJobConfig(EvalConfig):
    """`genie_redux eval`: what is measured, on what, and where the answer goes.

    model_fpath: the world, a model-<step>.pt of a dynamics or a world.pt. split: test sets are the splits of
    this name, or those that begin with it and a dot; num_clips: at most so many clips of each.
    inference_steps, temperature, choice: how frames are drawn; null: as the world says (models/masking.py).
    save_root_dpath: results go to <here>/<model name>/<data set>/.
    """

    model_fpath: str | None = None
    split: str = "test"
    num_clips: int = 256
    inference_steps: int | None = None
    temperature: float | None = None
    choice: str | None = None
    save_root_dpath: str = "outputs/evaluation"

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self.num_clips >= 1, "num_clips", self.num_clips, "1 or more")


def _require(holds: bool, name: str, value: object, allowed: str) -> None:
    if not holds:
        raise UserError(f"eval.{name}={value} is out of range: it must be {allowed}.")
