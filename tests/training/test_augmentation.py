"""Training views: labels stay on their objects, randomness comes from the seed, prompts lie where they should."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import binary_dilation, maximum_filter, minimum_filter

from uois_sam.training import augmentation as views
from uois_sam.training.augmentation import photometric_jitter, plain_view, random_view, sample_prompts
from uois_sam.types import ImageArray, Sample

Labels = npt.NDArray[np.int32]
COLOURS = np.array([[0, 0, 0], [200, 10, 10], [10, 200, 10], [10, 10, 200], [200, 200, 10]], dtype=np.uint8)


def painted(height: int = 120, width: int = 160) -> Sample:
    """An image whose colours are those of its labels: what belongs together is seen."""
    labels = np.zeros((height, width), dtype=np.uint16)
    labels[10:50, 20:70] = 1
    labels[40:100, 60:90] = 2
    labels[70:115, 100:155] = 3
    labels[5:30, 110:150] = 4
    return Sample(name="painted", image=COLOURS[labels], labels=labels)


@pytest.fixture
def same_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "photometric_jitter", lambda image, rng: image)


def away_from_edges(labels: Labels) -> npt.NDArray[np.bool_]:
    """Pixels whose 9x9 neighbourhood has one label."""
    return np.asarray(maximum_filter(labels, 9) == minimum_filter(labels, 9))


@pytest.mark.usefixtures("same_look")
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("size_hw", [(96, 128), (240, 320)])
def test_labels_and_image_stay_together_through_crops_and_flips(seed: int, size_hw: tuple[int, int]) -> None:
    view = random_view(painted(), size_hw, np.random.default_rng(seed))
    assert view.image.shape == (*size_hw, 3)
    assert view.labels.shape == size_hw
    inside = away_from_edges(view.labels)
    assert inside.mean() > 0.4
    assert np.array_equal(view.image[inside], COLOURS[view.labels[inside]])


@pytest.mark.usefixtures("same_look")
def test_views_differ_in_crop_and_in_both_flips() -> None:
    sample = painted()
    sizes, orientations = set(), set()
    for seed in range(40):
        labels = random_view(sample, (96, 128), np.random.default_rng(seed)).labels
        sizes.add(int((labels == 2).sum()))
        ys, xs = zip(*(np.argwhere(labels == value).mean(axis=0) for value in (1, 3) if (labels == value).any()),
                     strict=True)  # fmt: skip
        if len(ys) == 2:
            orientations.add((ys[0] < ys[1], xs[0] < xs[1]))
    assert len(sizes) > 10
    assert len(orientations) == 4


def test_the_plain_view_is_the_whole_image() -> None:
    sample = painted()
    view = plain_view(sample, (120, 160))
    assert np.array_equal(view.image, sample.image)
    assert np.array_equal(view.labels, sample.labels)
    half = plain_view(sample, (60, 80))
    assert set(np.unique(half.labels)) == {0, 1, 2, 3, 4}
    assert half.image.dtype == np.uint8
    assert half.labels.dtype == np.int32


def test_labels_lie_on_the_image_to_a_tenth_of_a_pixel() -> None:
    """A step edge at many places: where it is in the labels, minus where it is in the image, is zero on average."""
    offsets = []
    for edge in range(100, 140):
        labels = np.zeros((300, 400), dtype=np.uint16)
        labels[:, edge:] = 1
        image = np.repeat(255 * labels[..., None], 3, axis=2).astype(np.uint8)
        view = plain_view(Sample("edge", image, labels), (252, 336))
        offsets.append(view.labels[100].sum() - view.image[100, :, 0].sum() / 255)
    assert abs(np.mean(offsets)) < 0.1


def test_some_views_are_close_ups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen strips side by side: how many a view shows tells how close it is."""
    labels = np.repeat(np.arange(1, 17, dtype=np.uint16)[None], 120, axis=0).repeat(10, axis=1)
    sample = Sample("strips", np.zeros((120, 160, 3), dtype=np.uint8), labels)

    def strips(share: float) -> float:
        monkeypatch.setattr(views, "CLOSE_UPS", share)
        drawn = (random_view(sample, (96, 128), np.random.default_rng(seed)) for seed in range(40))
        return float(np.median([len(np.unique(view.labels)) for view in drawn]))

    assert strips(1.0) <= 8 < 11 <= strips(0.0)


def test_the_same_seed_gives_the_same_view_and_another_seed_another() -> None:
    first, again, other = (random_view(painted(), (96, 128), np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.image, other.image)


def test_the_sample_itself_is_left_alone() -> None:
    sample, untouched = painted(), painted()
    for seed in range(5):
        random_view(sample, (96, 128), np.random.default_rng(seed))
    assert np.array_equal(sample.image, untouched.image)
    assert np.array_equal(sample.labels, untouched.labels)


def test_looks_vary_and_stay_pictures_of_the_same_scene() -> None:
    photo: ImageArray = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    looks = [photometric_jitter(photo, np.random.default_rng(seed)) for seed in range(20)]
    for look in looks:
        assert look.shape == photo.shape
        assert look.dtype == np.uint8
        correlation = np.corrcoef(photo.mean(axis=2).ravel(), look.mean(axis=2).ravel())[0, 1]
        assert correlation > 0.5
    assert len({look.tobytes() for look in looks}) >= 19


# --- prompts


def under(points: npt.NDArray[np.float32], labels: Labels) -> list[int]:
    return [int(labels[int(y), int(x)]) for x, y in points]


@pytest.mark.parametrize("seed", range(5))
def test_every_prompt_lies_on_the_label_it_is_said_to_lie_on(seed: int) -> None:
    labels = painted().labels.astype(np.int32)
    points, ids = sample_prompts(labels, 30, 0.3, np.random.default_rng(seed))
    assert points.shape == (30, 2)
    assert points.dtype == np.float32
    assert ids.dtype == np.int32
    assert under(points, labels) == ids.tolist()


def test_central_prompts_lie_about_the_centre_and_on_the_object() -> None:
    labels = np.zeros((100, 100), dtype=np.int32)
    labels[10:90, 10:90] = 1
    distances = {}
    for share in (0.0, 1.0):
        points, ids = sample_prompts(labels, 200, 0.0, np.random.default_rng(0), share)
        assert under(points, labels) == ids.tolist() == [1] * 200
        distances[share] = np.linalg.norm(points - 49.5, axis=1)
    assert np.sqrt((distances[1.0] ** 2).mean() / 2) == pytest.approx(0.13 * 80, rel=0.1)
    assert np.median(distances[0.0]) > 2 * np.median(distances[1.0])


def test_central_prompts_of_a_ring_lie_on_the_ring() -> None:
    ys, xs = np.mgrid[:60, :60] - 30
    labels = ((np.hypot(ys, xs) > 20) & (np.hypot(ys, xs) < 26)).astype(np.int32)
    points, ids = sample_prompts(labels, 30, 0.0, np.random.default_rng(0), 1.0)
    assert under(points, labels) == ids.tolist() == [1] * 30


def test_objects_take_turns_and_the_rest_is_background() -> None:
    labels = painted().labels.astype(np.int32)
    _, ids = sample_prompts(labels, 20, 0.4, np.random.default_rng(0))
    values, counts = np.unique(ids, return_counts=True)
    assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == {0: 8, 1: 3, 2: 3, 3: 3, 4: 3}
    assert (ids[:12] > 0).all()


def test_with_fewer_prompts_than_objects_each_object_gets_at_most_one() -> None:
    labels = painted().labels.astype(np.int32)
    _, ids = sample_prompts(labels, 3, 0.0, np.random.default_rng(0))
    assert len(set(ids.tolist()) - {0}) == 3


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_an_empty_image_gets_background_prompts_only(share: float) -> None:
    points, ids = sample_prompts(np.zeros((20, 30), dtype=np.int32), 9, share, np.random.default_rng(0))
    assert points.shape == (9, 2)
    assert ids.tolist() == [0] * 9
    assert ((points >= 0) & (points < [30, 20])).all()


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_an_image_full_of_objects_gets_no_background_prompts(share: float) -> None:
    labels = np.ones((20, 30), dtype=np.int32)
    labels[:, 10:] = 7
    points, ids = sample_prompts(labels, 8, share, np.random.default_rng(0))
    assert sorted(ids.tolist()) == [1, 1, 1, 1, 7, 7, 7, 7]
    assert under(points, labels) == ids.tolist()


def test_half_of_the_background_prompts_lie_close_to_an_object() -> None:
    labels = np.zeros((200, 200), dtype=np.int32)
    labels[95:105, 95:105] = 1
    points, ids = sample_prompts(labels, 100, 1.0, np.random.default_rng(0))
    near = binary_dilation(labels > 0, iterations=12)
    close = sum(bool(near[int(y), int(x)]) for x, y in points)
    assert (ids == 0).all()
    assert 50 <= close <= 56  # by chance a few of the others as well: the ring covers 2 % of the image


def test_prompts_depend_on_the_seed_only() -> None:
    labels = painted().labels.astype(np.int32)
    first, again, other = (sample_prompts(labels, 10, 0.2, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])
