"""In which memory order a network is trained: one in which its gradients stay within bounds."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from ptq_privacy.networks import small_resnets
from ptq_privacy.networks.memory_order import in_order, memory_order
from tests.conftest import ENVIRONMENT, REPOSITORY

TRAINED = """
import torch
from ptq_privacy.data.kinds.images import augment
from ptq_privacy.networks import small_resnets
from ptq_privacy.training import sgd
from ptq_privacy.training.epochs import Recipe

torch.set_num_threads(1)
images, labels = torch.rand(32, 1, 8, 8), torch.arange(32) % 10
for model in range(12):
    recipe = Recipe("sgd", 4, 8, 0.1, 0.9, 5e-4, {}, autocast=False)
    network = small_resnets.build(10, 1, [4, 8])
    sgd.train(network, augment.augmented(images, True, 4), labels, recipe, lambda x: x, 0, model)
"""


@pytest.mark.slow
def test_a_network_of_few_channels_can_be_trained():
    """In channels-last order oneDNN's gradients corrupt memory there, and the process dies."""
    environment = {**ENVIRONMENT, "PYTHONPATH": str(REPOSITORY / "workflow/scripts")}
    done = subprocess.run(
        [sys.executable, "-c", TRAINED], env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("widths", "order"),
    [
        ([4, 8], torch.contiguous_format),
        ([8, 16], torch.channels_last),
        ([4], torch.channels_last),
    ],
)
def test_only_strided_convolutions_of_few_channels_ask_for_another_order(widths, order):
    assert memory_order(small_resnets.build(10, 1, widths)) is order


def test_features_of_grey_images_follow_the_order():
    images = torch.rand(4, 8, 8, 1).permute(0, 3, 1, 2)
    layer = nn.Conv2d(1, 4, 3)
    for order in (torch.contiguous_format, torch.channels_last):
        assert layer(in_order(images, order)).is_contiguous(memory_format=order)
    assert in_order(torch.rand(4, 5), torch.channels_last).shape == (4, 5)
