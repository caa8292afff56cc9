"""The pipeline around a tiny random model: inputs, settings and the shape of results, whatever the masks mean."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from torch import nn

from uois_sam import UOISSAM
from uois_sam.errors import ImageError, UOISError
from uois_sam.instances import Instances
from uois_sam.models.zoom import Crop, in_photo
from uois_sam.pipeline import EncodedImage
from uois_sam.types import ImageArray

LOOSE: dict[str, Any] = {
    "prompts": "grid",
    "grid_side": 16,
    "score_threshold": -10.0,
    "max_area_fraction": 0.9,
    "nms_iou": 0.8,
}
"""Settings under which a random model yields a good number of instances."""


def photo(height: int = 60, width: int = 90, seed: int = 0) -> ImageArray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def loose(tiny_pipeline: UOISSAM) -> UOISSAM:
    return tiny_pipeline.with_settings(**LOOSE)


@pytest.fixture
def scene(loose: UOISSAM) -> EncodedImage:
    return loose.encode_image(photo())


def assert_equal(first: Instances, second: Instances) -> None:
    for name in ("masks", "scores", "boxes", "points"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name


def keys(instances: Instances) -> set[bytes]:
    return {mask.tobytes() for mask in instances.masks}


# --- inputs


def test_path_pil_image_and_array_of_one_photo_give_the_same(loose: UOISSAM, tmp_path: Path) -> None:
    array, path = photo(), tmp_path / "photo.png"
    Image.fromarray(array).save(path)
    expected = loose.predict(array)
    assert len(expected) > 3
    for source in (path, str(path), Image.fromarray(array)):
        assert_equal(loose.predict(source), expected)


def test_an_array_in_any_memory_order_gives_the_same(loose: UOISSAM) -> None:
    array = photo()
    assert_equal(loose.predict(np.asfortranarray(array)), loose.predict(array))
    assert_equal(loose.predict(array[:, ::-1]), loose.predict(array[:, ::-1].copy()))


def test_a_batch_may_mix_kinds_and_sizes_and_keeps_their_order(loose: UOISSAM) -> None:
    images: list[Any] = [photo(60, 90), Image.fromarray(photo(40, 30, seed=1)), photo(20, 200, seed=2)]
    results = loose.predict_batch(iter(images))
    assert [result.image_hw for result in results] == [(60, 90), (40, 30), (20, 200)]
    for result, image in zip(results, images, strict=True):
        assert_equal(result, loose.predict(image))
    assert loose.predict_batch([]) == []


def test_bad_input_is_an_image_error(tiny_pipeline: UOISSAM, tmp_path: Path) -> None:
    for source in (tmp_path / "none.png", np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3), np.float32)):
        with pytest.raises(ImageError):
            tiny_pipeline.predict(source)  # type: ignore[arg-type]


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 500), (500, 3), (2000, 20), (96, 128), (479, 641)])
def test_photos_of_any_size_give_instances_of_that_size(loose: UOISSAM, size_hw: tuple[int, int]) -> None:
    instances = loose.predict(photo(*size_hw))
    assert instances.image_hw == size_hw
    assert_consistent(instances)


# --- results


def assert_consistent(instances: Instances) -> None:
    """What holds for every result: dtypes, shapes, order, boxes that fit their masks, points inside the photo."""
    count, (height, width) = len(instances), instances.image_hw
    assert instances.masks.dtype == np.bool_
    assert instances.masks.shape == (count, height, width)
    for name, shape in (("scores", (count,)), ("boxes", (count, 4)), ("points", (count, 2))):
        value = getattr(instances, name)
        assert (value.dtype, value.shape) == (np.float32, shape), name
    assert ((instances.scores >= 0) & (instances.scores <= 1)).all()
    assert (np.diff(instances.scores) <= 0).all()
    assert ((instances.points >= -0.5) & (instances.points <= [width - 0.5, height - 0.5])).all()
    for mask, box in zip(instances.masks, instances.boxes, strict=True):
        assert np.array_equal(box, box_of(mask))


def box_of(mask: npt.NDArray[np.bool_]) -> list[int]:
    ys, xs = np.nonzero(mask)
    return [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]


@pytest.mark.parametrize("scores", ["sam", "hdnet"])
def test_results_are_consistent(scene: EncodedImage, scores: str) -> None:
    instances = scene.with_settings(scores=scores).predict()
    assert len(instances) > 3
    assert_consistent(instances)
    assert instances.model == "tiny"
    assert instances.image is not None
    assert np.array_equal(instances.image, photo())


def test_scores_are_clamped_for_display_but_ranked_raw(loose: UOISSAM) -> None:
    hdnet = loose.networks.hdnet
    assert hdnet is not None
    before = loose.predict(photo())
    last = hdnet.mlp[-1]
    assert isinstance(last, nn.Linear)
    last.bias.data += 5
    after = loose.predict(photo())
    assert set(after.scores.tolist()) == {1.0}
    assert np.array_equal(before.masks, after.masks)


@pytest.mark.parametrize("change", [{"score_threshold": 1.0}, {"max_area_fraction": 0.0}, {"max_prompts": 0}])
def test_no_instance_has_the_usual_shapes(tiny_pipeline: UOISSAM, change: dict[str, float]) -> None:
    instances = tiny_pipeline.with_settings(score_threshold=-10.0).with_settings(**change).predict(photo(31, 47))
    assert instances.masks.shape == (0, 31, 47)
    assert instances.scores.shape == (0,)
    assert instances.boxes.shape == (0, 4)
    assert instances.points.shape == (0, 2)
    assert_consistent(instances)
    assert not instances.label_map().any()


def test_the_same_photo_gives_the_same_twice(loose: UOISSAM, scene: EncodedImage) -> None:
    assert_equal(loose.predict(photo()), loose.predict(photo()))
    assert_equal(scene.predict(), scene.predict())
    assert_equal(scene.predict(), loose.predict(photo()))


def test_in_bfloat16_results_are_consistent_and_close_to_float32(loose: UOISSAM) -> None:
    lower = UOISSAM(replace(loose.networks, precision=torch.bfloat16), loose.card, loose.settings)
    assert_consistent(lower.predict(photo()))
    points = np.random.default_rng(1).uniform([0, 0], [89, 59], (20, 2))
    found, expected = (model.encode_image(photo()).predict(points) for model in (lower, loose))
    np.testing.assert_allclose(found.scores, expected.scores, atol=0.02)
    np.testing.assert_allclose(found.points, expected.points, atol=1e-3)
    agree = (found.masks == expected.masks).mean(axis=(1, 2))
    assert np.median(agree) > 0.95


# --- settings


@pytest.mark.parametrize("scores", ["sam", "hdnet"])
@pytest.mark.parametrize("prompts", ["grid", "foreground-grid", "heatmap"])
def test_the_variants_of_table_iv_are_settings(tiny_pipeline: UOISSAM, prompts: str, scores: str) -> None:
    """The random model's foreground lies near 0.35 and its heatmap near 0."""
    variant = tiny_pipeline.with_settings(
        prompts=prompts, scores=scores, foreground_threshold=0.35, heatmap_threshold=-1.0, score_threshold=-10.0,
        max_area_fraction=1.0, grid_side=32,
    )  # fmt: skip
    scene = variant.encode_image(photo())
    assert {"grid": 1024, "heatmap": 30}.get(prompts, len(scene.prompts)) == len(scene.prompts)
    instances = scene.predict()
    assert len(instances) > 0
    assert_consistent(instances)
    given = scene.prompts.points_xy.numpy() + 0.5
    for x, y in instances.points:
        assert np.abs(given / [128, 96] * [90, 60] - 0.5 - [x, y]).max(axis=1).min() < 1e-3


def test_the_foreground_grid_is_a_true_subset_of_the_grid(scene: EncodedImage) -> None:
    grid = scene.prompts.points_xy.tolist()
    some = scene.with_settings(prompts="foreground-grid", foreground_threshold=0.35).prompts.points_xy.tolist()
    assert 0 < len(some) < len(grid)
    assert {tuple(point) for point in some} < {tuple(point) for point in grid}


def test_masks_above_the_area_limit_are_dropped(scene: EncodedImage) -> None:
    every = scene.with_settings(max_area_fraction=1.0, nms_iou=1.0).predict()
    small = scene.with_settings(max_area_fraction=0.5, nms_iou=1.0).predict()
    assert 0 < len(small) < len(every)
    assert small.masks.mean(axis=(1, 2)).max() < 0.52  # the limit holds on the decoder's grid
    assert len(scene.with_settings(max_area_fraction=0.0).predict()) == 0


def test_masks_below_the_smallest_area_in_pixels_are_dropped(scene: EncodedImage) -> None:
    every = scene.predict()
    areas = every.masks.sum(axis=(1, 2))
    limit = int(np.median(areas))
    large = scene.with_settings(min_area_px=limit).predict()
    assert 0 < len(large) < len(every)
    assert large.masks.sum(axis=(1, 2)).tolist() == areas[areas >= limit].tolist()


def test_a_higher_score_threshold_keeps_those_above_it(scene: EncodedImage) -> None:
    every = scene.with_settings(nms_iou=1.0).predict()
    threshold = float(every.scores[10] + every.scores[11]) / 2
    best = scene.with_settings(nms_iou=1.0, score_threshold=threshold).predict()
    assert_equal(best, Instances(*(getattr(every, name)[:11] for name in ("masks", "scores", "boxes", "points"))))


@pytest.mark.parametrize("nms", ["mask", "box"])
def test_a_higher_overlap_limit_keeps_more(scene: EncodedImage, nms: str) -> None:
    counts = [len(scene.with_settings(nms=nms, nms_iou=limit).predict()) for limit in (0.0, 0.5, 0.9, 1.0)]
    assert counts == sorted(counts)
    assert 1 <= counts[0] < counts[3]


def test_the_better_of_two_overlapping_masks_is_kept(scene: EncodedImage) -> None:
    every = scene.with_settings(nms_iou=1.0).predict()
    few = scene.with_settings(nms_iou=0.3).predict()
    assert np.array_equal(few.masks[0], every.masks[0])
    assert keys(few) < keys(every)


def test_an_unknown_setting_is_named_together_with_those_there_are(tiny_pipeline: UOISSAM) -> None:
    for target in (tiny_pipeline, tiny_pipeline.encode_image(photo())):
        with pytest.raises(UOISError, match=r"treshold.*score_threshold.*nms_iou"):
            target.with_settings(treshold=0.3)


@pytest.mark.parametrize("setting", [{"prompts": "gird"}, {"scores": "iou"}, {"nms": "boxes"}])
def test_an_unknown_mode_is_refused_together_with_those_there_are(
    tiny_pipeline: UOISSAM, setting: dict[str, str]
) -> None:
    with pytest.raises(UOISError, match="expected one of"):
        tiny_pipeline.with_settings(**setting)


def test_settings_make_a_new_object_and_leave_the_old_one(tiny_pipeline: UOISSAM) -> None:
    before = tiny_pipeline.settings
    assert tiny_pipeline.with_settings(nms_iou=0.9).settings.nms_iou == 0.9
    assert tiny_pipeline.settings is before


def test_without_hdnet_its_scores_are_refused_and_sams_are_there(tiny_pipeline: UOISSAM) -> None:
    without = UOISSAM(replace(tiny_pipeline.networks, hdnet=None), tiny_pipeline.card, tiny_pipeline.settings)
    with pytest.raises(UOISError, match="lacks trained heads, which scores='hdnet' needs"):
        without.encode_image(photo())
    scene = without.with_settings(**LOOSE, scores="sam").encode_image(photo())
    with pytest.raises(UOISError, match="lacks trained heads"):
        scene.with_settings(scores="hdnet")
    assert len(scene.predict()) > 0


# --- a closer look


def test_a_closer_look_is_the_prediction_of_the_part_cut_out(loose: UOISSAM, monkeypatch: pytest.MonkeyPatch) -> None:
    image, window = photo(), Crop(top=6, left=20, height=30, width=45)
    monkeypatch.setattr("uois_sam.pipeline.view.find_crop", lambda *_: window)
    assert loose.with_settings(zoom=True).encode_image(image).zoomed is None  # a grid is SAM's own scheme
    loose = loose.with_settings(prompts="heatmap", foreground_threshold=0.01, heatmap_threshold=-10.0)
    expected = in_photo(loose.predict(window.cut(image)), window, image)
    encoded = loose.with_settings(zoom=True).encode_image(image)
    assert_equal(encoded.predict(), expected)
    assert len(expected) > 0
    assert not expected.masks[:, :6].any() and not expected.masks[:, :, 65:].any()
    # A user's points are asked of the whole photo, wherever they lie.
    given = [(2.0, 3.0), (50.0, 20.0)]
    assert_equal(encoded.predict(given), loose.encode_image(image).predict(given))


def test_without_a_part_to_look_at_the_photo_is_predicted_whole(
    loose: UOISSAM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uois_sam.pipeline.view.find_crop", lambda *_: None)
    loose = loose.with_settings(prompts="heatmap", foreground_threshold=0.01, heatmap_threshold=-10.0)
    assert loose.with_settings(zoom=True).encode_image(photo()).zoomed is None
    assert_equal(loose.with_settings(zoom=True).predict(photo()), loose.predict(photo()))


@pytest.mark.parametrize(
    "one",
    [
        "a.png",
        Path("a.png"),
        b"content",
        io.BytesIO(b"content"),
        Image.new("RGB", (4, 3)),
        np.zeros((3, 4, 3), np.uint8),
    ],
)
def test_one_image_is_no_batch(tiny_pipeline: UOISSAM, one: Any) -> None:
    with pytest.raises(ImageError, match="expected a list of images, found one"):
        tiny_pipeline.predict_batch(one)


@pytest.mark.parametrize("none", [None, 3])
def test_what_is_no_list_of_images_is_named(tiny_pipeline: UOISSAM, none: Any) -> None:
    with pytest.raises(ImageError, match=f"expected a list of images, found {type(none).__name__}"):
        tiny_pipeline.predict_batch(none)


def test_a_model_says_in_one_line_what_it_is(tiny_pipeline: UOISSAM) -> None:
    assert repr(tiny_pipeline) == f"UOISSAM({tiny_pipeline.name} on cpu)"
    other = tiny_pipeline.with_settings(prompts="grid", grid_side=7).with_request(min_score=0.25, region=(0, 0, 9, 9))
    said = "prompts='grid', grid_side=7, min_score=0.25, region='0,0,9,9'"
    assert repr(other) == f"UOISSAM({tiny_pipeline.name} on cpu, {said})"
