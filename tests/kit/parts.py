"""What the processes of a group do in tests."""

import torch
from torch import nn

from repro.work.ranks import spread

CPU = torch.device("cpu")


def step(device=CPU, drop=0.0):
    """The loss and the gradient of a batch of which one half has one label alone, as voids of masks leave it;
    and how often each input was dropped.
    """
    torch.manual_seed(0)
    net = nn.Sequential(nn.Dropout(drop), nn.Linear(6, 4))
    images, labels = torch.ones(8, 6), torch.tensor([0, 1, 2, 3, 3, 9, 9, 9])
    dropped = []
    net[1].register_forward_pre_hook(lambda _, inputs: dropped.append((inputs[0] == 0).tolist()))
    with spread(net, device, "net") as over_all:
        torch.manual_seed(1)
        loss = nn.functional.cross_entropy(over_all(images), labels, ignore_index=9)
        loss.backward()
    return loss.item(), [parameter.grad.tolist() for parameter in net.parameters()], dropped[0]


def fail_second(_device):
    """An error of one process, for which the other waits."""
    import torch.distributed as dist

    from repro.errors import ReproError

    if dist.get_rank():
        raise ReproError("the second has failed")
    dist.barrier()


def both(device, drop):
    """What each of two processes has of `step`."""
    import torch.distributed as dist

    found = [None, None]
    dist.all_gather_object(found, step(device, drop))
    return found


def go_on(_device, folder):
    """The steps that two processes go on from, of which the second finds no checkpoint it can read."""
    from pathlib import Path

    import torch.distributed as dist

    from repro.work.ranks import OfGroup

    checkpoint = OfGroup.of(Path(folder), every=0.0)
    if dist.get_rank() == 0:
        checkpoint.save({"step": 3})
    dist.barrier()
    found = [None, None]
    dist.all_gather_object(found, (checkpoint.due(), (checkpoint.load() or {}).get("step")))
    again = [None, None]
    path = checkpoint.path if dist.get_rank() == 0 else Path(folder) / "gone.pt"
    checkpoint.path = path
    dist.all_gather_object(again, checkpoint.load())
    return found, again
