"""Plugged into an ordinary training script, it makes the script survive the loss of its machine.

    from groundplan_training import Run

    run = Run({"network": network, "optimiser": optimiser})   # goes on after the newest good checkpoint
    for epoch in run.steps(60):                               # as range(60), less what is done already
        ...                                                   # whatever the script does
        run.metric("loss", loss)
    run.metric("accuracy", 0.97)
    run.metric("accuracy", 0.91, slice={"digit": "3"})

The script keeps its own loop, framework and model file. Started by hand, outside a training job, the same lines do
nothing but count. Nothing here needs more than the standard library.
"""

from groundplan_training.checkpoints import CheckpointError
from groundplan_training.run import Run

__all__ = ["CheckpointError", "Run"]
