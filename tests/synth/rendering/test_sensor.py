"""The camera's picture: exposure, tone, noise, blur and compression do what their settings say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from uois_sam.synth.rendering.sensor import develop, encode_srgb
from uois_sam.synth.scene import Camera

PERFECT = Camera((0, 0, 1), (0, 0, 0), 50.0, 0.0)
RAMP = np.repeat(np.linspace(0.02, 0.5, 96)[None, :, None], 64, axis=0).repeat(3, axis=2).astype(np.float32)


@pytest.mark.parametrize("exposure", [0.3, 0.5])
@pytest.mark.parametrize("brightness", [0.01, 1.0, 300.0])
def test_exposure_sets_the_mean_whatever_the_light(exposure: float, brightness: float) -> None:
    picture = develop(RAMP * brightness, replace(PERFECT, exposure=exposure))
    assert picture.mean() / 255 == pytest.approx(exposure, abs=0.03)  # metered on every eighth pixel


def test_encoding_is_the_srgb_curve_below_the_shoulder() -> None:
    assert encode_srgb(np.array([0.0, 0.002, 0.18, 0.5])) == pytest.approx([0, 0.02584, 0.46135, 0.73536], abs=1e-4)
    assert 0.9 < encode_srgb(np.array([10.0]))[0] <= 1.0


def test_white_balance_tints() -> None:
    picture = develop(RAMP, replace(PERFECT, white_balance=(1.3, 1.0, 0.7))).reshape(-1, 3).mean(axis=0)
    assert picture[0] > picture[1] > picture[2]


def test_noise_repeats_for_a_seed_and_grows_with_its_setting() -> None:
    def spread(noise: float, seed: int = 0) -> float:
        noisy = develop(RAMP, replace(PERFECT, noise=noise, noise_seed=seed)).astype(float)
        return float(np.std(noisy - develop(RAMP, PERFECT)))

    assert spread(0.02) > 2 * spread(0.005) > 0
    assert spread(0.02, 1) == spread(0.02, 1) != spread(0.02, 2)


def test_blur_motion_and_sharpening_act_on_edges() -> None:
    step = np.full((64, 96, 3), 0.1, np.float32)
    step[:, 48:] = 0.4

    def steepest(**changes: object) -> int:
        picture = develop(step, replace(PERFECT, **changes)).astype(int)[32, :, 0]
        return int(np.abs(np.diff(picture)).max())

    sharp = steepest()
    assert steepest(blur=0.01) < 0.6 * sharp
    assert steepest(motion=(0.05, 0.0)) < 0.6 * sharp
    assert steepest(motion=(0.0, 0.05)) == pytest.approx(sharp, abs=2)
    assert steepest(sharpen=1.0) > sharp


def test_vignetting_darkens_corners_only() -> None:
    even = np.full((65, 97, 3), 0.2, np.float32)
    picture = develop(even, replace(PERFECT, vignetting=0.4)).astype(int)
    assert picture[32, 48, 0] - picture[0, 0, 0] > 20
    assert np.ptp(develop(even, PERFECT)) == 0


def test_contrast_keeps_middle_grey_and_spreads_the_rest() -> None:
    flat, steep = (develop(RAMP, replace(PERFECT, contrast=c)).astype(float) for c in (0.6, 1.6))
    assert steep.std() > develop(RAMP, PERFECT).std() > flat.std()


def test_low_jpeg_quality_leaves_traces_and_100_none() -> None:
    rng = np.random.default_rng(0)
    busy = rng.uniform(0.05, 0.5, (64, 96, 3)).astype(np.float32)
    clean = develop(busy, PERFECT)
    assert np.array_equal(clean, develop(busy, replace(PERFECT, jpeg=100)))
    assert np.abs(develop(busy, replace(PERFECT, jpeg=30)).astype(int) - clean).mean() > 5


def test_black_stays_black() -> None:
    assert develop(np.zeros((8, 8, 3), np.float32), PERFECT).max() == 0
