"""SAM's peers: the same weights give the same answers everywhere, and the floor counts what a forward pass does."""

from __future__ import annotations

import pytest
import torch

from tiny_base import NAME, SAM, TinyBase, random_photo
from tiny_family import FAMILIES
from uois_sam.benchmark.lower_bound import encoder_lower_bound, lower_bound_by_part
from uois_sam.benchmark.peers import OURS, PEERS, mask_frame, prepared_pixels, random_sam, sam_peers, sam_size
from uois_sam.checkpoints.bases import BASES
from uois_sam.errors import UOISError
from uois_sam.geometry import Frame
from uois_sam.pipeline import UOISSAM

POINTS = torch.tensor([[3.0, 4.0], [20.5, 30.0], [63.0, 0.0]])


def tiny_sam(base: TinyBase, precision: str = "float32") -> UOISSAM:
    return UOISSAM.from_pretrained(NAME, sam=base.sam, dinov2=base.dinov2, device="cpu", precision=precision)


def test_peers_have_the_models_weights(tiny_base: TinyBase) -> None:
    model = tiny_sam(tiny_base)
    peers = sam_peers(model, ["official", "transformers"])
    assert list(peers) == [
        OURS,
        "official-float32",
        "official-bfloat16",
        "transformers-float32",
        "transformers-bfloat16",
    ]
    pixels = prepared_pixels(model, random_photo())
    found = {name: peer.encode(pixels) for name, peer in peers.items()}
    for name, embedding in found.items():
        assert embedding.shape == (1, SAM.token_width, 4, 4)
        assert (embedding.float() - found[OURS]).abs().max() < (1e-4 if name.endswith("32") else 0.2)


def test_peers_decode_the_same_masks(tiny_base: TinyBase) -> None:
    model = tiny_sam(tiny_base)
    peers = sam_peers(model, PEERS)
    embedding = peers[OURS].encode(prepared_pixels(model, random_photo()))
    best, scores = peers[OURS].decode(embedding, POINTS)
    assert best.shape == (3, 1, 16, 16)
    assert scores.shape == (3, 1)
    masks, _ = peers["official-float32"].decode(embedding, POINTS)
    theirs = peers["transformers-float32"].decode(embedding, POINTS).pred_masks[0]
    assert (masks - theirs).abs().max() < 1e-4
    for name in ("official-bfloat16", "transformers-bfloat16"):
        peers[name].decode(embedding, POINTS)


@pytest.fixture
def sam2(tiny_base: TinyBase, monkeypatch: pytest.MonkeyPatch) -> UOISSAM:
    monkeypatch.setitem(BASES, "sam2-tiny", FAMILIES["sam2-tiny"])
    return random_sam("sam2-tiny")


def test_sam_2_has_transformers_as_its_peer(sam2: UOISSAM) -> None:
    peers = sam_peers(sam2, ["transformers"])
    assert list(peers) == [OURS, "transformers-float32", "transformers-bfloat16"]
    pixels = prepared_pixels(sam2, random_photo())
    assert mask_frame(sam2, (50, 70)) == Frame.stretched((96, 96))
    ours, theirs = (peers[name].encode(pixels) for name in (OURS, "transformers-float32"))
    for one, other in zip((*ours.fine[::-1], ours.grid), theirs, strict=True):
        assert one.shape == other.shape
        assert (one - other).abs().max() < 1e-4
    best, scores = peers[OURS].decode(ours, POINTS)
    found = peers["transformers-float32"].decode(theirs, POINTS)
    assert best.shape == (3, 1, 24, 24)
    matching = (found.pred_masks[0] - best).abs().flatten(2).amax(dim=2).amin(dim=1) < 1e-4
    assert (matching | (found.iou_scores[0].amax(dim=1) < scores[:, 0])).all()  # theirs leave the first mask out
    low = peers["transformers-bfloat16"]
    low.decode(low.encode(pixels), POINTS)


def test_metas_modules_are_no_peer_of_sam_2(sam2: UOISSAM) -> None:
    with pytest.raises(UOISError, match="a peer of SAM only, found sam2-tiny-random"):
        sam_peers(sam2, ["official-float32"])


def test_an_unknown_peer_is_told_with_the_known_ones(tiny_base: TinyBase) -> None:
    with pytest.raises(UOISError, match=r"fastsam.*official, .*transformers-float32"):
        sam_peers(tiny_sam(tiny_base), ["fastsam"])


def test_a_model_without_sam_has_no_peers(tiny_pipeline: UOISSAM) -> None:
    with pytest.raises(UOISError, match="expected a model on SAM"):
        sam_peers(tiny_pipeline, ["official"])


def test_random_weights_run_and_say_that_they_are_random(tiny_base: TinyBase) -> None:
    model = random_sam(NAME, torch.bfloat16)
    assert "random" in model.name
    assert sam_size(model.networks.encoder.sam, model.networks.decoder) == SAM  # type: ignore[attr-defined, arg-type]
    embedding = sam_peers(model, [])[OURS].encode(prepared_pixels(model, random_photo()))
    assert embedding.isfinite().all()
    assert 0.05 < embedding.std() < 20
    with pytest.raises(UOISError, match="no such base: sam-vit-x"):
        random_sam("sam-vit-x")


def test_the_floor_is_made_of_every_kind_of_call(tiny_base: TinyBase) -> None:
    parts = lower_bound_by_part(SAM, torch.float32, repeats=1)
    assert {"qkv", "proj", "lin1", "lin2", "windows", "whole image", "patch", "neck 1x1", "neck 3x3"} == set(parts)
    assert all(seconds > 0 for seconds in parts.values())
    assert encoder_lower_bound(SAM, torch.bfloat16, repeats=1) > 0
