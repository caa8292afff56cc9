"""A closer look: which part of a photo, and back to the photo's pixels."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from uois_sam.instances import Instances
from uois_sam.models.zoom import LARGEST, MARGIN, SMALLEST, Crop, crop_around, find_crop, in_photo
from uois_sam.types import PointPrompts, PromptMaps

FRAME = (96, 128)
PHOTO = (192, 256)


def maps_of(*boxes: tuple[int, int, int, int]) -> PromptMaps:
    """Certain foreground in (top, left, bottom, right) boxes of the frame."""
    logits = torch.zeros(2, *FRAME)
    logits[0] = 5
    for top, left, bottom, right in boxes:
        logits[1, top:bottom, left:right] = 10
    return PromptMaps(logits, torch.zeros(1, *FRAME))


def peaks(*rows: tuple[float, float, float]) -> PointPrompts:
    """x, y, strength of each."""
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 3)
    return PointPrompts(table[:, :2], table[:, 2])


def window_of(maps: PromptMaps, prompts: PointPrompts) -> Crop | None:
    return find_crop(maps, prompts, 0.85, PHOTO)


def test_the_part_is_centred_on_the_objects_with_a_margin() -> None:
    found = window_of(maps_of((24, 32, 72, 64)), peaks((40, 40, 0.9)))  # half of the rows, a quarter of the columns
    assert MARGIN == 0.1
    # Side 0.6 of the photo: 115 of 192 rows around row 96, 154 of 256 columns around column 96.
    assert found == Crop(top=38, left=19, height=115, width=154)


def test_it_is_never_smaller_than_a_share_of_the_photo_and_stays_inside() -> None:
    found = window_of(maps_of((0, 0, 16, 16)), peaks((8, 8, 0.9)))
    assert found == Crop(0, 0, round(SMALLEST * 192), round(SMALLEST * 256))


def test_regions_without_a_sure_peak_or_too_small_do_not_count() -> None:
    far = (80, 112, 96, 128)
    near = peaks((40, 40, 0.9))
    alone = window_of(maps_of((24, 32, 72, 64)), near)
    assert window_of(maps_of((24, 32, 72, 64), far), near) == alone
    assert window_of(maps_of((24, 32, 72, 64), far), peaks((40, 40, 0.9), (120, 88, 0.2))) == alone
    both = window_of(maps_of((24, 32, 72, 64), far), peaks((40, 40, 0.9), (120, 88, 0.4)))
    assert both is not None and alone is not None and both.width > alone.width


def test_no_closer_look_where_there_is_nothing_or_everything() -> None:
    assert window_of(maps_of(), peaks()) is None
    assert window_of(maps_of((24, 32, 72, 64)), peaks()) is None
    assert window_of(maps_of((0, 0, 96, 128)), peaks((40, 40, 0.9))) is None


@given(
    st.tuples(st.integers(0, 80), st.integers(0, 110), st.integers(8, 90), st.integers(8, 120)),
    st.tuples(st.integers(50, 400), st.integers(50, 400)),
)
def test_a_window_holds_its_object_and_lies_in_the_photo(
    box: tuple[int, int, int, int], photo_hw: tuple[int, int]
) -> None:
    top, left = box[:2]
    bottom, right = min(96, top + box[2]), min(128, left + box[3])
    centre = ((left + right) / 2, (top + bottom) / 2, 0.9)
    found = find_crop(maps_of((top, left, bottom, right)), peaks(centre), 0.85, photo_hw)
    if found is None:
        return
    height, width = photo_hw
    assert 0 <= found.top <= found.top + found.height <= height and 0 <= found.left <= found.left + found.width <= width
    assert found.height <= LARGEST * height + 1 and found.width <= LARGEST * width + 1
    cell_y, cell_x = 4 * height / 96, 4 * width / 128  # the foreground is looked at in steps of four cells
    assert found.top <= top / 96 * height + cell_y + 1 and found.top + found.height >= bottom / 96 * height - cell_y - 1
    assert found.left <= left / 128 * width + cell_x + 1
    assert found.left + found.width >= right / 128 * width - cell_x - 1


def test_results_come_back_to_the_photo() -> None:
    photo = np.zeros((6, 8, 3), dtype=np.uint8)
    window = Crop(top=2, left=3, height=3, width=4)
    masks = np.zeros((1, 3, 4), dtype=np.bool_)
    masks[0, 1, 0:2] = True
    inside = Instances(
        masks, np.array([0.7], np.float32), np.array([[0, 1, 2, 2]], np.float32), np.array([[1, 1]], np.float32)
    )
    found = in_photo(inside, window, photo)
    assert found.masks.shape == (1, 6, 8) and found.image is photo
    assert np.argwhere(found.masks[0]).tolist() == [[3, 3], [3, 4]]
    assert found.boxes.tolist() == [[3, 3, 5, 4]] and found.points.tolist() == [[4, 3]]
    assert found.scores.tolist() == inside.scores.tolist()
    assert np.array_equal(window.cut(photo), photo[2:5, 3:7])


def test_the_part_around_a_box_has_it_in_the_middle_and_the_proportions_of_the_photo() -> None:
    crop = crop_around((40, 30, 50, 40), (100, 200))
    assert crop is not None and (crop.height, crop.width) == (26, 52)  # 10 + 2 * 8 rows of 100
    assert abs(crop.left + crop.width / 2 - 45) <= 1 and abs(crop.top + crop.height / 2 - 35) <= 1


def test_the_part_around_a_box_stays_inside_and_is_none_where_it_would_be_everything() -> None:
    crop = crop_around((0, 0, 4, 4), (100, 200))
    assert crop is not None and (crop.top, crop.left, crop.height, crop.width) == (0, 0, 25, 50)
    assert crop_around((20, 20, 120, 80), (100, 200)) is None
