"""Muon for matrices, AdamW for the rest: who gets what, that layers see it, and that a stopped run goes on."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from uois_sam.runtime.device import Capability
from uois_sam.training.muon import MatrixOptimiser, Muon, ParameterGroup, is_matrix, nearest_orthogonal


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Linear(16, 8), True),
        (nn.Conv2d(4, 8, 3), True),  # 36 inputs
        (nn.Conv2d(16, 16, 3, groups=16), False),  # depthwise
        (nn.Linear(16, 4), False),  # a last layer of four scores
        (nn.Conv2d(3, 32, 1), False),
    ],
)
def test_matrices_map_many_numbers_to_many(layer, expected):
    assert is_matrix(layer.weight) is expected


def test_biases_and_norms_are_no_matrices():
    assert not is_matrix(nn.Linear(16, 16).bias)
    assert not is_matrix(nn.BatchNorm2d(16).weight)


def test_a_step_moves_a_matrix_alike_in_every_direction():
    torch.manual_seed(0)
    layer = nn.Linear(16, 16, bias=False)
    before = layer.weight.detach().clone()
    optimiser = MatrixOptimiser([ParameterGroup(tuple(layer.parameters()), 1e-2)], 0.0)
    layer.weight.grad = torch.diag(torch.logspace(0, -2, 16)) @ torch.randn(16, 16)
    optimiser.step()
    moved = torch.linalg.svdvals(layer.weight.detach() - before)
    asked = torch.linalg.svdvals(layer.weight.grad)
    assert asked[-2] < 0.3 * asked[0]
    assert moved[-2] > 0.5 * moved[0]
    root_mean_square = (layer.weight.detach() - before).square().mean().sqrt()
    assert 0.5 * 0.2 * 1e-2 < root_mean_square < 1.5 * 0.2 * 1e-2  # as large as AdamW's


def test_convolutions_and_biases_learn():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))
    before = [parameter.detach().clone() for parameter in net.parameters()]
    optimiser = MatrixOptimiser([ParameterGroup(tuple(net.parameters()), 1e-2)], 0.0)
    images, target = torch.randn(4, 3, 8, 8), torch.randn(4, 8, 8, 8)
    first = nn.functional.mse_loss(net(images), target)
    for _ in range(20):
        net.zero_grad(set_to_none=True)
        loss = nn.functional.mse_loss(net(images), target)
        loss.backward()
        optimiser.step()
    assert loss < 0.95 * first
    assert not any(torch.equal(was, now) for was, now in zip(before, net.parameters(), strict=True))


def test_groups_keep_their_own_rates_and_share_the_schedule():
    slow, fast = nn.Linear(16, 16, bias=False), nn.Linear(16, 16, bias=False)
    start = slow.weight.detach().clone()
    with torch.no_grad():
        fast.weight.copy_(start)
    groups = [ParameterGroup(tuple(slow.parameters()), 1e-3), ParameterGroup(tuple(fast.parameters()), 2e-3)]
    optimiser = MatrixOptimiser(groups, 0.0)
    slow.weight.grad = fast.weight.grad = torch.randn(16, 16)
    optimiser.set_share(0.5)
    optimiser.step()
    torch.testing.assert_close(fast.weight.detach() - start, 2 * (slow.weight.detach() - start), rtol=1e-3, atol=1e-7)
    half = slow.weight.detach() - start
    optimiser.set_share(0.0)
    optimiser.step()
    torch.testing.assert_close(slow.weight.detach() - start, half)


def test_a_parameter_without_gradient_stays():
    layer = nn.Linear(16, 16)
    before = layer.weight.detach().clone()
    MatrixOptimiser([ParameterGroup(tuple(layer.parameters()), 1e-2)], 0.0).step()
    assert torch.equal(layer.weight, before)


def test_goes_on_from_its_state():
    def steps(layer, optimiser, count):
        for _ in range(count):
            layer.weight.grad, layer.bias.grad = layer.weight.detach() - 1, layer.bias.detach() - 1
            optimiser.step()

    torch.manual_seed(0)
    whole = nn.Linear(16, 16)
    stopped = nn.Linear(16, 16)
    stopped.load_state_dict(whole.state_dict())
    steps(whole, MatrixOptimiser([ParameterGroup(tuple(whole.parameters()), 1e-2)], 1e-4), 6)
    first = MatrixOptimiser([ParameterGroup(tuple(stopped.parameters()), 1e-2)], 1e-4)
    steps(stopped, first, 3)
    resumed = nn.Linear(16, 16)
    resumed.load_state_dict(stopped.state_dict())
    second = MatrixOptimiser([ParameterGroup(tuple(resumed.parameters()), 1e-2)], 1e-4)
    second.load_state_dict(first.state_dict())
    steps(resumed, second, 3)
    torch.testing.assert_close(resumed.weight, whole.weight)
    torch.testing.assert_close(resumed.bias, whole.bias)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="PyTorch before 2.9 has no Muon")
@pytest.mark.parametrize("shape", [(16, 40), (40, 16), (16, 16)])
def test_in_bfloat16_steps_are_those_of_pytorch(shape, monkeypatch):
    monkeypatch.setattr("uois_sam.training.muon.capability", lambda _: Capability(True, True))
    torch.manual_seed(0)
    ours, theirs = nn.Parameter(torch.randn(shape)), nn.Parameter(torch.zeros(shape))
    with torch.no_grad():
        theirs.copy_(ours)
    optimisers = [
        Muon([{"params": [ours], "lr": 1e-2}], 0.1),
        torch.optim.Muon([theirs], lr=1e-2, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
    ]
    for _ in range(4):
        ours.grad = torch.randn(shape)
        theirs.grad = ours.grad.clone()
        for optimiser in optimisers:
            optimiser.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(12, 30), (30, 12), (8, 8)])
def test_singular_values_come_near_1_and_vectors_stay(shape):
    torch.manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(side, 8)).Q for side in shape)
    found = nearest_orthogonal(left @ torch.logspace(0, -2, 8).diag() @ right.T, torch.float32)
    assert found.dtype == torch.float32
    values = left.T @ found @ right
    assert values.diag().min() > 0.6 and values.diag().max() < 1.3
    torch.testing.assert_close(left @ values.diag().diag() @ right.T, found, rtol=1e-3, atol=1e-3)


def test_zeros_stay_zeros():
    assert not nearest_orthogonal(torch.zeros(8, 12), torch.float32).any()


@pytest.mark.parametrize(("fast", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_lower_precision_only_where_the_device_has_instructions_for_it(fast, expected, monkeypatch):
    """Emulated, it takes twenty times as long."""
    taken = []

    def compute(matrix, precision):
        taken.append(precision)
        return matrix.to(precision)

    monkeypatch.setattr("uois_sam.training.muon.capability", lambda _: Capability(True, fast))
    monkeypatch.setattr("uois_sam.training.muon.nearest_orthogonal", compute)
    layer = nn.Linear(16, 16)
    layer.weight.grad = torch.ones(16, 16)
    MatrixOptimiser([ParameterGroup(tuple(layer.parameters()), 1e-2)], 0.0).step()
    assert taken == [expected]
