import pytest
import torch

from ptq_privacy import devices


def test_the_cpu_is_always_there():
    assert devices.choose("cpu") == torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused_and_not_replaced():
    with pytest.raises(RuntimeError, match=r"\Adevice: cuda, but torch sees no GPU here; .*cpu\Z"):
        devices.choose("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_a_gpu_computes():
    device = devices.choose("cuda")
    assert device.type == "cuda"
    assert float((torch.ones(2, device=device) * 3).sum()) == 6
