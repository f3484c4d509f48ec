"""`genie_redux eval`: which data set and which model the configuration means, and what was found, on the screen."""

from genieredux.cli.hints import check_dataset
from genieredux.cli.schemas import GenieReduxCommand
from genieredux.cli.screen import say
from genieredux.errors import UserError


def evaluate(command: GenieReduxCommand) -> None:
    """Measure a model. Raises UserError for what a user can mend."""
    from genieredux import report
    from genieredux.episodes import Dataset
    from genieredux.evaluation.job import evaluate_file
    from genieredux.evaluation.opening import as_asked
    from genieredux.models.sampling import Sampling
    from genieredux.report.worlds import RESULTS
    from genieredux.runs.progress import ProgressLine
    from genieredux.training.sources import choose_games

    config = command.eval
    as_asked(Sampling(), config)  # a wrong value is said before what is missing
    root = config.dataset_root_dpath or command.train.dataset_root_dpath
    name = config.dataset_name or command.train.dataset_name
    if not (config.model_fpath or command.model_fpath):
        raise UserError("eval.model_fpath is not set; give the model to measure, such as runs/demo/world.pt")
    if not name:
        raise UserError(f"eval.dataset_name is not set; name a data set in {root}, or eval.dataset_root_dpath as well")
    check_dataset(root, name)
    dataset = choose_games(Dataset.open(f"{root.rstrip('/')}/{name}"), config.n_envs, "eval.n_envs")
    with ProgressLine("evaluation", config.num_clips, unit="clip") as line:
        made = evaluate_file(
            config, dataset, lambda done, total, name: line.advance_to(done, total), command.model_fpath
        )
    said = [*made.lines, ""]
    if made.results.name == RESULTS:
        said.append(f"Report   {report.write(made.folder)}")
    said.append(f"Numbers  {made.results}")
    said += [f"Moving   {made.film}"] if made.film else []
    say("\n".join(said))
