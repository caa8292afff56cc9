"""The branch that sees the picture as a whole: silent until trained, and then heard everywhere."""

from __future__ import annotations

import pytest
import torch

from conftest import TINY
from uois_sam.models.compact.context import SceneContext
from uois_sam.models.compact.encoder import CompactConfig
from uois_sam.models.compact.model import CompactModel, config_to_json
from uois_sam.training.train_compact import at_size, with_context
from uois_sam.validation import validated


def test_a_model_that_is_given_the_branch_answers_as_before() -> None:
    model = CompactModel(TINY)
    before = at_size(model, (96, 128)).encoder
    after = at_size(with_context(model, 16), (96, 128)).encoder
    images = torch.rand(2, 3, 96, 128) * 255
    with torch.no_grad():
        old, new = before.encode_batch(images), after.encode_batch(images)
    assert torch.equal(old.prompt_features, new.prompt_features)
    assert torch.equal(old.mask_features.grid, new.mask_features.grid)


def test_cards_of_models_without_the_branch_say_nothing_of_it() -> None:
    config = TINY
    plain = config_to_json(config)
    assert validated(plain, CompactConfig, "card") == config
    without = {key: value for key, value in plain.items() if key != "context_width"}
    assert validated(without, CompactConfig, "card").context_width == 0


@pytest.mark.parametrize("cells", [(3, 4), (15, 20)])
def test_one_cell_is_heard_in_the_farthest(cells: tuple[int, int]) -> None:
    torch.manual_seed(0)
    branch = SceneContext(8, 16, 12, 6)
    torch.nn.init.normal_(branch.to_prompts.weight)
    torch.nn.init.normal_(branch.to_grid.weight)
    maps = torch.randn(1, 8, *cells)
    changed = maps.clone()
    changed[..., 0, 0] += 5
    for before, after, channels in zip(branch(maps), branch(changed), (12, 6), strict=True):
        assert before.shape == (1, channels, *cells)
        assert not torch.allclose(before[..., -1, -1], after[..., -1, -1], atol=1e-5)


def test_the_branch_learns_from_the_first_step() -> None:
    branch = SceneContext(8, 16, 12, 6)
    grid, prompts = branch(torch.randn(1, 8, 3, 4))
    (grid.sum() + prompts.square().sum() + prompts.sum()).backward()  # type: ignore[no-untyped-call]
    assert branch.to_grid.weight.grad is not None and branch.to_grid.weight.grad.abs().sum() > 0
