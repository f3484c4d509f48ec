"""The table of `mutations.py`: single wrong lines, by what they are about."""

from mutants import agents, evaluation, models, playing, training, worlds
from mutants.row import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *evaluation.MUTANTS,
    *models.MUTANTS,
    *training.MUTANTS,
    *playing.MUTANTS,
    *agents.MUTANTS,
    *worlds.MUTANTS,
)
