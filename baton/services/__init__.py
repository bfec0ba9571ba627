"""What a worker process runs.

Every service has ``async run(*, task_status)``: it reports ``started()`` when it is ready, serves
until it is cancelled, and can be cancelled at any moment. Some have more: `Producer.drain`
finishes what is in hand. `baton.node` nests them; the reverse of that order is the order of stop.
"""
