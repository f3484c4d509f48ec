"""The table of `mutations.py`: single wrong lines, by what they are about."""

from mutants import agents, canvas, evaluation, models, playing, training
from mutants.row import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *evaluation.MUTANTS,
    *models.MUTANTS,
    *training.MUTANTS,
    *playing.MUTANTS,
    *agents.MUTANTS,
    *canvas.MUTANTS,
)
