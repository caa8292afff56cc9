"""What is computed of a labelled image: features, prompts and the true IoUs of their masks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from conftest import TINY
from uois_sam.datasets.folder import FolderDataset
from uois_sam.geometry import Frame
from uois_sam.models.compact.evidence import evidence_width
from uois_sam.models.compact.model import CompactModel
from uois_sam.models.hpg import HPG
from uois_sam.models.interfaces import MaskFeatures, SceneFeatures
from uois_sam.models.networks import Networks
from uois_sam.training.feature_cache import features
from uois_sam.training.feature_cache.features import FeatureConfig, grid_truth, make_view, renumbered, view_rows
from uois_sam.training.losses import iou_targets
from uois_sam.types import Sample, TokenPredictions

CONFIG = FeatureConfig(views=2, view_hw=TINY.input_hw, prompts=8, own_peaks=3)


def encode(model: CompactModel, image: np.ndarray) -> SceneFeatures:
    return model.encoder.encode_batch(torch.from_numpy(image).permute(2, 0, 1)[None].float())


@contextmanager
def chosen_prompts() -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Every choice of prompts made inside: points and the labels under them."""
    seen: list[tuple[Tensor, Tensor]] = []
    choose = features._choose_prompts

    def noting(*args: object) -> object:
        prompts = choose(*args)  # type: ignore[arg-type]
        seen.append((prompts.points, prompts.ids))
        return prompts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "_choose_prompts", noting)
        yield seen


def test_every_tensor_has_the_shape_and_precision_that_it_says(
    model: CompactModel, base: Networks, data: FolderDataset
) -> None:
    rows = view_rows(base, model.hpg, data, CONFIG, 7)
    shapes = {name: (tuple(value.shape), value.dtype) for part in (rows.evidence, rows.maps, rows.tokens) for name,
              value in vars(part).items()}  # fmt: skip
    assert shapes == {
        "evidence": ((1, 3, 4, evidence_width(TINY.width)), torch.float16),
        "counted": ((1, 3), torch.bool),
        "prompt_features": ((1, TINY.fine_width, 24, 32), torch.float16),
        "labels": ((1, 96, 128), torch.int16),
        "iou_token": ((1, 8, TINY.width), torch.float16),
        "mask_tokens": ((1, 8, 4, TINY.width), torch.float16),
        "scores": ((1, 8, 4), torch.float16),
        "true_iou": ((1, 8, 4), torch.float16),
    }


def test_the_first_view_of_an_image_is_the_plain_image(
    model: CompactModel, base: Networks, data: FolderDataset
) -> None:
    plain, augmented = (view_rows(base, model.hpg, data, CONFIG, 2 * 3 + k).maps for k in (0, 1))
    assert np.array_equal(plain.labels[0], data[3].labels)
    torch.testing.assert_close(plain.prompt_features.float(), encode(model, data[3].image).prompt_features, atol=5e-3,
                               rtol=0)  # fmt: skip
    assert not torch.equal(plain.prompt_features, augmented.prompt_features)


def test_the_same_view_is_the_same_whatever_came_before(
    model: CompactModel, base: Networks, data: FolderDataset
) -> None:
    first = view_rows(base, model.hpg, data, CONFIG, 7)
    view_rows(base, model.hpg, data, CONFIG, 3)
    again = view_rows(base, model.hpg, data, CONFIG, 7)
    for part in ("maps", "tokens"):
        for name, value in vars(getattr(first, part)).items():
            assert torch.equal(value, getattr(getattr(again, part), name)), name


def test_prompts_on_background_have_a_true_iou_of_zero(
    model: CompactModel, base: Networks, data: FolderDataset
) -> None:
    assert not data[0].labels.any()
    empty = view_rows(base, model.hpg, data, CONFIG, 0).tokens
    assert not empty.true_iou.any()
    half = replace(CONFIG, own_peaks=0, background_share=0.5)
    some = view_rows(base, None, data, half, 2 * 3).tokens
    assert some.true_iou[0, :4].any(dim=1).all()
    assert not some.true_iou[0, 4:].any()


def test_true_ious_are_those_of_all_four_masks_of_each_prompt(
    model: CompactModel, base: Networks, data: FolderDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eq. 6 on two points set by hand: on the first rectangle and at a corner without one."""
    labels = data[1].labels
    (y, x), (far_y, far_x) = np.argwhere(labels == 1)[400], np.argwhere(labels == 0)[0]
    points = torch.tensor([[x, y], [far_x, far_y]], dtype=torch.float32)
    given = features._Prompts(points, torch.tensor([1, 0], dtype=torch.int32), peaks=0)
    monkeypatch.setattr(features, "_choose_prompts", lambda *_: given)
    tokens = view_rows(base, None, data, CONFIG, 2).tokens
    encoded = encode(model, data[1].image)
    predictions = model.decoder.decode_tokens(encoded.mask_features, points)
    logits = model.decoder.upscale(encoded.mask_features, predictions, points, torch.arange(4).expand(2, -1))
    truth = torch.nn.functional.avg_pool2d(torch.from_numpy((labels == 1).astype(np.float32))[None], 4)
    expected = iou_targets(logits, torch.cat([truth, torch.zeros_like(truth)]))
    assert expected[0].any()
    torch.testing.assert_close(tokens.true_iou[0].float(), expected, rtol=0, atol=2e-3)
    torch.testing.assert_close(tokens.scores[0].float(), predictions.scores, rtol=0, atol=2e-3)


def test_labels_are_numbered_anew_in_the_same_order() -> None:
    labels = np.array([[0, 700], [65535, 3]], dtype=np.uint16)
    assert renumbered(labels).tolist() == [[0, 2], [3, 1]]
    assert renumbered(np.array([[7, 9]], dtype=np.uint16)).tolist() == [[1, 2]]  # no background


# --- ignored pixels


def with_ignored(where: tuple[slice, slice]) -> Sample:
    """A photo of 96x128 with one object in its right half, and something unlabelled elsewhere."""
    labels = np.zeros((96, 128), dtype=np.uint16)
    labels[20:60, 70:120] = 700
    ignore = np.zeros(labels.shape, dtype=bool)
    ignore[where] = True
    image = np.random.default_rng(0).integers(0, 255, (96, 128, 3)).astype(np.uint8)
    return Sample("one", image, labels, ignore)


LEFT = np.s_[:, :60]


def test_nothing_is_prompted_where_the_labels_say_nothing(base: Networks, model: CompactModel) -> None:
    class OneSample:
        names = ("one",)

        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> Sample:
            return with_ignored(LEFT)

    with chosen_prompts() as seen:
        rows = view_rows(base, model.hpg, OneSample(), replace(CONFIG, prompts=40, own_peaks=20), 0)
    points, ids = seen[0]
    assert points.shape == (40, 2)
    assert (points[:, 0] >= 60).all()
    assert set(ids.tolist()) == {0, 1}
    assert rows.maps.labels[0, 0].tolist() == [-1] * 60 + [0] * 68
    assert rows.maps.labels[0, 30].tolist() == [-1] * 60 + [0] * 10 + [1] * 50 + [0] * 8


def test_ignored_pixels_stay_with_the_image_when_it_is_cropped_and_mirrored() -> None:
    sample = with_ignored(LEFT)
    marked = sample.image.copy()
    marked[LEFT] = (255, 0, 255)
    for seed in range(6):
        view = make_view(replace(sample, image=marked), (96, 128), np.random.default_rng(seed))
        magenta = (view.image[..., 1].astype(int) < 60) & (view.image[..., 0] > 120) & (view.image[..., 2] > 120)
        agree = (magenta == (view.labels == -1)).mean()
        assert agree > 0.75 or not (view.labels == -1).any()  # grain elsewhere is magenta too, at times


def test_an_image_of_which_all_is_ignored_has_background_only() -> None:
    assert not make_view(with_ignored(np.s_[:, :]), None, None).labels.any()


def test_the_truth_lies_where_the_image_lies_in_a_padded_frame() -> None:
    """An image of 8x16 in a frame of 32x32: twice as large, the lower half is padding."""
    labels = np.zeros((8, 16), dtype=np.int32)
    labels[2:4, 8:16] = 5
    truth = grid_truth(labels, torch.tensor([0, 5], dtype=torch.int32), Frame((32, 32), (16, 32)))
    assert truth.shape == (2, 8, 8)
    assert not truth[0].any()
    expected = torch.zeros(8, 8)
    expected[1, 4:8] = 1
    assert torch.equal(truth[1], expected)


def test_the_truth_lies_on_the_grid_that_the_decoder_draws_on() -> None:
    """SAM 3 draws 8 cells on 28 pixels: 3.5 each."""
    labels = np.zeros((28, 28), dtype=np.int32)
    labels[:, 14:] = 5
    truth = grid_truth(labels, torch.tensor([5], dtype=torch.int32), Frame.stretched((28, 28)), (8, 8))
    assert truth.shape == (1, 8, 8)
    assert (truth[0, :, 4:] == 1).all() and not truth[0, :, :4].any()


class PaddingEncoder:
    """Answers with a padded frame, as SAM's encoder does."""

    def __call__(self, image: Tensor) -> SceneFeatures:
        frame = Frame.padded((image.shape[1], image.shape[2]), 64)
        return SceneFeatures(torch.zeros(1, 3, 4, 5), MaskFeatures(torch.zeros(1, 2, 4, 4)), frame)


class PerfectDecoder:
    """Knows the one object: columns 32 to 63, rows 0 to 15 of the frame; notes where it was asked."""

    asked: Tensor

    def decode_tokens(self, mask_features: MaskFeatures, points_xy: Tensor) -> TokenPredictions:
        self.asked = points_xy
        count = len(points_xy)
        tokens = torch.zeros(count, 4, 2)
        return TokenPredictions(tokens[:, 0], tokens, torch.zeros(count, 4), torch.zeros(count, 2, 4, 4))

    def upscale(self, mask_features: MaskFeatures, predictions: TokenPredictions, points_xy: Tensor,
                token_index: Tensor) -> Tensor:  # fmt: skip
        logits = torch.full((len(points_xy), 4, 16, 16), -1.0)
        logits[:, :, :4, 8:] = 1
        logits[:, 3] = -1
        return logits


class OneImage:
    """A photo of 16x32 whose right upper quarter is an object."""

    names = ("one",)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Sample:
        labels = np.zeros((16, 32), dtype=np.uint16)
        labels[:8, 16:] = 9
        return Sample("one", np.zeros((16, 32, 3), np.uint8), labels)


def test_a_base_with_a_padded_frame_is_asked_in_that_frame(base: Networks) -> None:
    """A perfect mask has a true IoU of 1, its absence 0, whatever the image's size and the frame's padding."""
    decoder = PerfectDecoder()
    padded = replace(base, encoder=PaddingEncoder(), decoder=decoder)  # type: ignore[arg-type]
    config = FeatureConfig(prompts=6, background_share=0.5)
    rows = view_rows(padded, None, OneImage(), config, 0)
    assert rows.tokens.true_iou[0].tolist() == [[1, 1, 1, 0]] * 3 + [[0, 0, 0, 0]] * 3
    on_object = decoder.asked[:3]
    assert ((on_object[:, 0] > 32) & (on_object[:, 0] < 64) & (on_object[:, 1] < 16)).all()
    assert rows.maps.labels.shape == (1, *base.heads.frame_hw)
    assert rows.maps.labels.float().mean() == 0.25


def eager(hpg: HPG) -> HPG:
    """The same generator, sure that all is foreground: every maximum of its heatmap is a prompt."""
    with torch.no_grad():
        hpg.out.bias += torch.tensor([0.0, 9.0, 1.0])
    return hpg


def test_evidence_is_kept_of_own_peaks_alone_and_filled_up_with_rows_that_do_not_count(
    model: CompactModel, base: Networks, data: FolderDataset
) -> None:
    none = view_rows(base, model.hpg, data, replace(CONFIG, own_peaks=2), 2 * 3).evidence
    assert none is not None and not none.counted.any() and not none.evidence.any()
    rows = view_rows(base, eager(model.hpg), data, replace(CONFIG, own_peaks=2), 2 * 3)
    assert rows.evidence is not None and rows.evidence.counted.tolist() == [[True, True]]
    assert torch.equal(rows.evidence.true_iou, rows.tokens.true_iou[:, :2])
    assert torch.equal(rows.evidence.evidence[..., 0], rows.tokens.scores[:, :2])
    assert view_rows(base, None, data, CONFIG, 2 * 3).evidence is None


def test_own_peaks_start_at_the_given_height(model: CompactModel, base: Networks, data: FolderDataset) -> None:
    bold, unreachable = eager(model.hpg), replace(CONFIG, own_peaks=2, peak_threshold=100.0)
    rows = view_rows(base, bold, data, unreachable, 2 * 3)
    assert rows.evidence is not None and not rows.evidence.counted.any()


def test_own_peaks_are_looked_up_where_they_lie_in_the_image(
    model: CompactModel, base: Networks, rectangles: Path
) -> None:
    """The prompt frame is 96x128, the view twice that: a peak's label is read at twice its position."""
    twice = replace(CONFIG, view_hw=(192, 256), own_peaks=8)
    data = FolderDataset(rectangles)
    with chosen_prompts() as seen:
        rows = view_rows(base, eager(model.hpg), data, twice, 2 * 3)
    assert rows.evidence is not None and int(rows.evidence.counted.sum()) == 8
    (points, ids), labels = seen[0], np.repeat(np.repeat(data[3].labels, 2, 0), 2, 1)
    under = [labels[min(round(y), 191), min(round(x), 255)] for x, y in points.tolist()]
    assert ids.tolist() == under
