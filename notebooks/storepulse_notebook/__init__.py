"""What the notebooks share: connections to the running stack, and one way to show a figure.

    from storepulse_notebook import Storepulse, say, table
    shop = Storepulse("01_tour")
"""

from .plots import COLOURS, compact, figure, finish, say, table
from .services import UNKNOWN_COUNTRY, NotReady, Storepulse

__all__ = ["COLOURS", "UNKNOWN_COUNTRY", "NotReady", "Storepulse", "compact", "figure", "finish", "say", "table"]
