"""Why running jobs are stopped."""

from enum import Enum, auto


class Stop(Enum):
    """Why the running jobs are stopped."""

    GIVE_BACK = auto()  # the process ends: others run them, the attempt is not counted
    ABANDON = auto()  # the lease is gone: others run them already, nothing is acknowledged
    REVOKED = auto()  # cancelled, deleted or taken away: nothing is acknowledged
