"""Memory that is not enough is one line that says what wanted it, how much, and what to do."""

import gc
import weakref

import numpy as np
import pytest
import torch

from repro.errors import ReproError
from repro.state.memory import enough, is_short

CPU = torch.device("cpu")
REMEDY = "Take less"


def too_large_a_tensor():
    return torch.empty(2**60)


def too_large_an_array():
    return np.empty(2**50)


def raising(error):
    def raises():
        raise error

    return raises


GPU_SAYS = "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79 GiB of which …"


@pytest.mark.parametrize(
    ("work", "wanted"),
    [
        (too_large_a_tensor, ", 4.29e+09 GiB were wanted at once"),
        (too_large_an_array, ", 8.00 PiB were wanted at once"),
        (raising(torch.OutOfMemoryError(GPU_SAYS)), ", 20.00 GiB were wanted at once"),
        (raising(RuntimeError("MPS backend out of memory (MPS allocated: 17 GB)")), ""),
        (raising(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate")), ""),
        (raising(RuntimeError("[alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough memory")), ""),
        (raising(MemoryError()), ""),
    ],
)
def test_whatever_is_raised_for_want_of_memory_becomes_one_line(work, wanted):
    with pytest.raises(ReproError) as caught, enough("a net", CPU, REMEDY):
        work()
    assert str(caught.value) == f"a net: the memory of 'cpu' is not enough{wanted}. Take less"


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("out of memory"), KeyError("x")])
def test_what_is_raised_for_another_reason_stays_as_it_is(error):
    with pytest.raises(type(error)) as caught, enough("a net", CPU, REMEDY):
        raise error
    assert caught.value is error
    assert not is_short(RuntimeError("shapes differ"))


def test_what_was_made_is_let_go_while_the_error_is_still_there():
    made = []

    def work():
        taken = torch.zeros(8)
        made.append(weakref.ref(taken))
        torch.empty(2**60)

    with pytest.raises(ReproError) as caught, enough("a net", CPU, REMEDY):
        work()
    gc.collect()
    assert made[0]() is None and caught.value
