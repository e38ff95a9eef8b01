"""Your own training: called with what it is promised, and refused by name where it goes wrong."""

import sys

import pytest
import torch
from torch import nn

from ptq_privacy.training import procedure
from tests.conftest import REPOSITORY


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Train a network of two layers by the function `train` of a module of one's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())

    def train(text, seed=5, **settings):
        monkeypatch.delitem(sys.modules, "ownway", raising=False)
        (tmp_path / "ownway.py").write_text(f"import torch\nfrom torch import nn\n{text}")
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 3))
        inputs, labels = torch.randn(60, 6), torch.arange(60) % 3
        return procedure.train("ownway:train", network, inputs, labels, seed, settings)

    yield train
    sys.modules.pop("ownway", None)


def function(*lines):
    body = "".join(f"    {line}\n" for line in lines)
    return f"def train(network, inputs, labels, seed, **settings):\n{body}"


def test_it_is_called_with_a_fresh_network_members_and_a_seed(own):
    text = function(
        "assert inputs.shape == (60, 6) and labels.shape == (60,) and labels.dtype == torch.int64",
        "assert seed == 5 and settings == {'rate': 0.5}",
        "with torch.no_grad():",
        "    network[3].bias.copy_(torch.rand(3))  # of the generator that the seed has set",
        "network(inputs)  # statistics are part of what was trained",
        "return network",
    )
    first = own(text, rate=0.5)
    assert not first.training
    assert first[2].running_mean.abs().max() > 0
    torch.manual_seed(5)
    assert torch.equal(first[3].bias, torch.rand(3))
    again = own(text, rate=0.5).state_dict().items()
    assert all(torch.equal(value, first.state_dict()[name]) for name, value in again)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_library\n", "module 'ownway' of 'ownway:train' cannot be imported from"),
        ("", "'ownway:train': .*ownway.py has no function 'train'"),
        ("def train(network): pass\n", "ownway:train failed: TypeError: .*takes 1 positional"),
        (function("1 / 0"), "ownway:train failed: ZeroDivisionError: division by zero"),
        (function("return None"), "ownway:train returns a NoneType; allowed: the network"),
        (
            function("network[1] = nn.Tanh()", "return network"),
            "ownway:train returns another architecture: network: the module '1' became a Tanh",
        ),
        (
            function("network[2] = nn.Identity()", "return network"),
            "ownway:train returns another architecture: the module '2' changed",
        ),
        (
            function("return nn.Sequential(network)"),
            "ownway:train returns another architecture: network: the module '0' became a Seq",
        ),
        (
            function("network[3] = nn.Linear(8, 4)", "return network"),
            r"returns another architecture: network: the module '3' has a 'weight' of shape \[4, 8",
        ),
        (
            function("network[2].eps = 10.0", "return network"),
            "ownway:train returns another architecture: with the weights of the network that it r",
        ),
        (
            function("network[3].weight.data[0, 0] = float('nan')", "return network"),
            "ownway:train: '3.weight' has values that are not finite",
        ),
        (
            function("network[2].running_var[0] = float('inf')", "return network"),
            "ownway:train: '2.running_var' has values that are not finite",
        ),
    ],
)
def test_what_cannot_stand_for_the_network_is_refused_in_one_line(own, text, message):
    with pytest.raises(ValueError, match=rf"\Atraining.procedure: [^\n]*{message}[^\n]*\Z"):
        own(text)


def test_the_example_trains(own):
    text = (REPOSITORY / "resources/example/mytraining.py").read_text()
    trained = own(text.replace("import torch\n", ""), epochs=2)
    assert all(value.isfinite().all() for value in trained.state_dict().values())
