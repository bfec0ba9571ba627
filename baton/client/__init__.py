"""The client: how programs insert jobs and workflows, look at them and change them.

`Client` is for programs with an event loop, `SyncClient` for the others. Programs that need only
one use the functions of the package, ``baton.insert`` and so on, which share a default client made
from the environment.
"""

from baton.client.asynchronous import Client
from baton.client.queues import Queues, SyncQueues
from baton.client.synchronous import SyncClient

__all__ = ["Client", "Queues", "SyncClient", "SyncQueues"]
