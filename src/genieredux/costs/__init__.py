"""What long work costs on a machine that is described, and where more of it stops helping: arithmetic over a table of
rates (rates.yaml), each of which says where it was measured. Knows no job and no configuration.
"""

from genieredux.costs.machine import Machine
from genieredux.costs.rates import Rates, read_rates
from genieredux.costs.stage import Stage

__all__ = ["Machine", "Rates", "Stage", "read_rates"]
