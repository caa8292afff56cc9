"""Masks by a foundation model in the pipeline: doubles that draw what is known, around hand-made and bundled models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from by_hand import BOTTOM, PHOTO, TOP_LEFT, TOP_RIGHT, in_photo, model
from scripts import load_script
from uois_sam import UOISSAM, Instances
from uois_sam.config import InferenceConfig
from uois_sam.geometry import Frame
from uois_sam.models.interfaces import CELLS, MaskFeatures, ObjectPrompts, SceneFeatures
from uois_sam.models.redrawing import Redrawer, inner_points
from uois_sam.pipeline.view import View
from uois_sam.types import BoolArray, TokenPredictions

COFFEE = Path(__file__).parents[1] / "examples" / "coffee.jpg"


class Echo:
    """Answers every prompt for an object with masks of the caller's, on the photo's own pixels."""

    def __init__(self, found: Instances, masks: BoolArray) -> None:
        """For instance i of ``found`` all four masks are ``masks[i]`` (H, W), or ``masks[i, 0..3]``."""
        self.masks = torch.from_numpy(masks if masks.ndim == 4 else np.repeat(masks[:, None], 4, axis=1))
        self.first = [inner_points(mask, point)[0] for mask, point in zip(found.masks, found.points, strict=True)]
        self.boxes = found.boxes
        self.encodings = 0
        self.with_masks = 0

    def __call__(self, image: Tensor) -> tuple[MaskFeatures, Frame]:
        self.encodings += 1
        hw = image.shape[1], image.shape[2]
        return MaskFeatures(torch.zeros(1, 1, hw[0] // CELLS, hw[1] // CELLS)), Frame.stretched(hw)

    def decode_tokens(self, features: MaskFeatures, points_xy: Tensor) -> TokenPredictions:
        return self.decode_prompts(features, ObjectPrompts.of_points(points_xy))

    def decode_prompts(self, features: MaskFeatures, prompts: ObjectPrompts) -> TokenPredictions:
        self.with_masks += prompts.mask_logits is not None
        if prompts.points_xy.shape[1]:
            known, given = torch.tensor(np.array(self.first)), prompts.points_xy[:, 0]
        else:
            assert prompts.boxes_xyxy is not None
            known = torch.from_numpy(self.boxes) - torch.tensor([0, 0, 1, 1])
            given = prompts.boxes_xyxy
        distance = torch.cdist(given.float(), known.float())
        assert (distance.amin(dim=1) < 1e-3).all()
        which = distance.argmin(dim=1)
        state = 2 * self.masks[which].float() - 1
        count = len(prompts)
        return TokenPredictions(torch.zeros(count, 1), torch.zeros(count, 4, 1), torch.rand(count, 4), state)

    def upscale(
        self, features: MaskFeatures, predictions: TokenPredictions, points_xy: Tensor, index: Tensor
    ) -> Tensor:
        state = predictions.image_state
        return state.gather(1, index[..., None, None].expand(-1, -1, *state.shape[2:]))


def with_masks(plain: UOISSAM, echo: Echo) -> UOISSAM:
    redrawer = Redrawer("echo", echo, echo, torch.device("cpu"))
    return UOISSAM(replace(plain.networks, redrawer=redrawer), plain.card, plain.settings, plain.request)


def assert_same(found: Instances, expected: Instances) -> None:
    """Exactly, except for the name of the model and notes."""
    for name in ("masks", "scores", "boxes", "points"):
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name


@pytest.fixture(scope="module")
def compact() -> UOISSAM:
    return UOISSAM.from_pretrained("compact", device="cpu")


@pytest.mark.parametrize("zoom", [False, True])
def test_a_decoder_that_draws_the_models_own_masks_changes_nothing(compact: UOISSAM, zoom: bool) -> None:
    plain = compact.with_settings(zoom=zoom)
    photo = plain.encode_image(COFFEE)
    crop, part = photo.zoomed if photo.zoomed is not None else (None, photo)
    own = part.find_objects() if crop is None else part.select(part.candidates(part.points_in_mask_frame))
    assert len(own) >= 3
    trimmed = (own.image_hw[0] % CELLS, own.image_hw[1] % CELLS) != (0, 0)
    if trimmed:
        pytest.skip("the part of the photo has no whole number of cells")
    echo = Echo(own, own.masks)
    found = with_masks(plain, echo).predict(COFFEE)
    assert_same(found, plain.predict(COFFEE))
    assert found.notes == plain.predict(COFFEE).notes
    assert found.model == f"{compact.name}+echo"
    assert echo.encodings == 1


def test_a_decoder_that_draws_other_things_changes_nothing_and_says_so() -> None:
    plain = model()
    own = plain.predict(PHOTO)
    elsewhere = np.zeros_like(own.masks)
    elsewhere[:, 0, :] = True
    found = with_masks(plain, Echo(own, elsewhere)).predict(PHOTO)
    assert_same(found, own)
    assert found.notes == (
        "masks: 3 of 3 objects as first found, where no mask of echo agrees by 50%; "
        "lower --mask-agreement (mask_agreement)",
    )


def test_masks_that_agree_take_the_place_of_the_models_own() -> None:
    plain = model()
    own = plain.predict(PHOTO)
    better = own.masks.copy()
    better[:, :, :-1] |= own.masks[:, :, 1:]  # one column more on the left
    found = with_masks(plain, Echo(own, better)).predict(PHOTO)
    assert np.array_equal(found.masks, better)
    assert np.array_equal(found.scores, own.scores)
    for mask, box in zip(better, found.boxes, strict=True):
        ys, xs = np.nonzero(mask)
        assert box.tolist() == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
    assert found.notes == ()


def left_thirds(masks: BoolArray) -> BoolArray:
    """The left third of the columns of each."""
    third = masks.copy()
    for mask in third:
        columns = np.flatnonzero(mask.any(axis=0))
        mask[:, columns[len(columns) // 3] :] = False
    return third


def test_the_threshold_is_a_setting() -> None:
    plain = model()
    own = plain.predict(PHOTO)
    third = left_thirds(own.masks)
    drawing = with_masks(plain, Echo(own, third))
    assert_same(drawing.predict(PHOTO), own)
    assert np.array_equal(drawing.with_settings(mask_agreement=0.2).predict(PHOTO).masks, third)
    photo = drawing.encode_image(PHOTO)
    assert np.array_equal(photo.with_settings(mask_agreement=0.2).predict().masks, third)


def test_a_trained_score_may_prefer_another_of_the_four_masks() -> None:
    plain = model()
    own = plain.predict(PHOTO)
    third = left_thirds(own.masks)
    drawing = with_masks(plain, Echo(own, np.stack([own.masks, own.masks, third, own.masks], axis=1)))
    low = drawing.with_settings(mask_agreement=0.2)
    assert_same(low.predict(PHOTO), own)
    assert drawing.networks.redrawer is not None

    def hdnet(predictions: TokenPredictions) -> Tensor:
        return torch.tensor([0.0, 0.0, 1.0, 0.0]).expand(len(predictions.scores), -1)

    redrawer = replace(drawing.networks.redrawer, hdnet=hdnet)  # type: ignore[arg-type]
    trained = UOISSAM(replace(low.networks, redrawer=redrawer), low.card, low.settings)
    assert np.array_equal(trained.predict(PHOTO).masks, third)
    # ... but not one that the compact mask does not support
    assert_same(trained.with_settings(mask_agreement=0.9).predict(PHOTO), own)


def test_two_parts_that_are_drawn_as_one_object_become_one_and_it_is_said() -> None:
    plain = model()
    own = plain.predict(PHOTO)
    masks = own.masks.copy()
    whole = masks[0] | masks[1]
    drawing = with_masks(plain, Echo(own, np.stack([whole, whole, masks[2]])))
    found = drawing.with_settings(mask_agreement=0.0, max_area_fraction=1.0).predict(PHOTO)
    assert np.array_equal(found.masks, np.stack([whole, masks[2]]))
    assert found.scores.tolist() == own.scores[[0, 2]].tolist()
    assert found.notes == (
        "masks: 1 object left out that echo draws like better ones; raise --mask-agreement (mask_agreement)",
    )


def test_masks_beyond_the_limits_are_not_taken() -> None:
    plain = model()
    own = plain.predict(PHOTO)
    large = np.ones_like(own.masks)
    everywhere = with_masks(plain, Echo(own, large)).with_settings(mask_agreement=0.0)
    kept = everywhere.predict(PHOTO)
    assert_same(kept, own)  # larger than max_area
    beyond = (
        f"masks: {len(own)} of {len(own)} objects as first found, where the mask of echo is smaller or larger than is"
    )
    assert [note.startswith(beyond) for note in kept.notes if note.startswith("masks: ")] == [True]
    asked = plain.with_request(region=(0, 0, 16, 4))
    there = asked.predict(PHOTO)
    lower = np.zeros_like(there.masks)
    lower[:, 2:8] = True
    moved = with_masks(asked, Echo(there, lower)).with_settings(mask_agreement=0.0, max_area_fraction=1.0)
    for mask in moved.predict(PHOTO).masks:
        assert mask[:4].sum() >= mask.sum() / 2


def test_a_photo_is_encoded_once_for_all_that_is_asked_of_it() -> None:
    plain = model()
    echo = Echo(plain.predict(PHOTO), plain.predict(PHOTO).masks)
    photo = with_masks(plain, echo).encode_image(PHOTO)
    assert echo.encodings == 0  # not before it is needed
    photo.predict()
    photo.with_settings(mask_agreement=0.9).predict()
    photo.with_request(max_objects=1).predict()
    assert echo.encodings == 1


def test_the_mask_itself_is_a_prompt_where_that_is_asked() -> None:
    plain = model()
    echo = Echo(plain.predict(PHOTO), plain.predict(PHOTO).masks)
    drawing = with_masks(plain, echo)
    drawing.predict(PHOTO)
    assert echo.with_masks == 0
    assert_same(drawing.with_settings(mask_prompts=True).predict(PHOTO), plain.predict(PHOTO))
    assert echo.with_masks == 1


def test_objects_that_are_pointed_at_are_drawn_too_one_for_one() -> None:
    plain = model()
    points = [(2.5, 1), (12.5, 1), (6.5, 6)]
    own = plain.encode_image(PHOTO).predict(points)
    assert [mask.any() for mask in own.masks] == [True, True, True]
    better = own.masks.copy()
    better[:, 1:, :] |= own.masks[:, :-1, :]
    found = with_masks(plain, Echo(own, better)).encode_image(PHOTO).predict(points)
    assert np.array_equal(found.masks, better)


def test_an_empty_scene_needs_no_foundation_model() -> None:
    plain = model(score_threshold=1.0, heatmap_threshold=1.0)
    echo = Echo(plain.predict(PHOTO), np.zeros((0, 8, 16), dtype=np.bool_))
    assert len(with_masks(plain, echo).predict(PHOTO)) == 0
    assert echo.encodings == 0


def test_hand_made_objects_are_those_that_the_other_tests_expect() -> None:
    for mask, rows in zip(model().predict(PHOTO).masks, (BOTTOM, TOP_LEFT, TOP_RIGHT), strict=True):
        assert np.array_equal(mask, in_photo(rows))


def test_wholes_are_chosen_among_true_parts_and_groups_where_scores_are_wrong() -> None:
    """The double of the experiment on a scene drawn by hand: three objects of two parts each, two of them touching."""
    double = load_script("experiments/hierarchy_double.py")
    choice = load_script("experiments/mask_choice.py")
    objects, parts = np.zeros((120, 160), np.int64), np.zeros((120, 160), np.int64)
    for label, (x, y) in enumerate([(20, 30), (52, 30), (110, 70)], start=1):
        objects[y : y + 40, x : x + 30] = label
        parts[y : y + 12, x : x + 30] = 2 * label
        parts[y + 12 : y + 40, x : x + 30] = 2 * label + 1
    masks = np.stack([objects == label for label in (1, 2, 3)])
    worn = masks.copy()
    worn[:, :, ::7] = False  # what a small model draws: rough, but of the whole
    worn[:, 66:70] = False
    found = Instances(
        worn,
        np.ones(3, np.float32),
        np.zeros((3, 4), np.float32),
        np.array([[33, 60], [65, 60], [125, 100]], np.float32),
    )
    networks, blank = replace(model().networks, hpg=None), np.zeros((120, 160, 3), np.uint8)
    no_features = SceneFeatures(torch.zeros(1), MaskFeatures(torch.zeros(1)), Frame.stretched((1, 1)))
    hits, trials = {"agreement": 0, "score": 0}, 0
    for seed in range(4):
        sam = double.HierarchyDouble(double.Hierarchy(objects, parts), seed)
        photo = View(replace(networks, redrawer=sam.as_redrawer()), no_features, blank, InferenceConfig(), "none")
        cases = list(choice.choices(photo, found, sam))
        assert len(cases) == 3
        trials += 3
        hits["agreement"] += sum(case.by["agreement"] >= choice.RIGHT for case in cases)
        hits["score"] += sum(case.by["SAM's score, one point"] >= choice.RIGHT for case in cases)
    assert hits["agreement"] == trials
    assert hits["score"] <= trials * 2 // 3
