"""Peers from transformers, at tiny sizes with random weights, and what is no peer."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hub_server import hub_for_client
from uois_sam.errors import MissingExtraError, UOISError
from uois_sam.evaluation import HuggingFacePeer
from uois_sam.evaluation.report.markdown import paper_tables, result_table
from uois_sam.evaluation.report.published import (
    ELSEWHERE,
    FLAGS,
    METHOD_FLAGS,
    TABLE_2,
    TABLE_3,
    TABLE_4,
    WITHOUT_FIGURES,
)
from uois_sam.types import ImageArray

transformers = pytest.importorskip("transformers")


def photo() -> ImageArray:
    """(48, 64, 3) uint8 with two bright rectangles."""
    image = np.full((48, 64, 3), 20, np.uint8)
    image[10:30, 8:28] = (220, 60, 40)
    image[20:44, 38:60] = (40, 200, 90)
    return image


def mask2former() -> tuple[Any, Any]:
    from transformers import (
        Mask2FormerConfig,
        Mask2FormerForUniversalSegmentation,
        Mask2FormerImageProcessor,
        SwinConfig,
    )

    backbone = SwinConfig(
        image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], window_size=2,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = Mask2FormerConfig(
        backbone_config=backbone, feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=16,
        dim_feedforward=16, encoder_layers=1, decoder_layers=2, num_attention_heads=2, num_queries=6, num_labels=3,
    )  # fmt: skip
    size = {"height": 64, "width": 64}
    return Mask2FormerForUniversalSegmentation(config), Mask2FormerImageProcessor(size=size)


def maskformer() -> tuple[Any, Any]:
    from transformers import (
        DetrConfig,
        MaskFormerConfig,
        MaskFormerForInstanceSegmentation,
        MaskFormerImageProcessor,
        SwinConfig,
    )

    backbone = SwinConfig(
        image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], window_size=2,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    decoder = DetrConfig(
        d_model=16, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=16, decoder_ffn_dim=16,
        encoder_attention_heads=2, decoder_attention_heads=2, num_queries=6,
    )  # fmt: skip
    config = MaskFormerConfig(
        backbone_config=backbone, decoder_config=decoder, fpn_feature_size=32, mask_feature_size=32, num_labels=3
    )
    return MaskFormerForInstanceSegmentation(config), MaskFormerImageProcessor(size={"height": 64, "width": 64})


def sam() -> tuple[Any, Any]:
    from transformers import SamConfig, SamImageProcessor, SamModel

    grid = {"image_size": 64, "patch_size": 16}
    config = SamConfig(
        vision_config={**grid, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                       "output_channels": 16, "global_attn_indexes": [0], "window_size": 2, "num_pos_feats": 8},
        prompt_encoder_config={**grid, "hidden_size": 16},
        mask_decoder_config={"hidden_size": 16, "mlp_dim": 16, "num_attention_heads": 2, "iou_head_hidden_dim": 8},
    )  # fmt: skip
    side = {"longest_edge": 64}
    return SamModel(config), SamImageProcessor(size=side, pad_size={"height": 64, "width": 64})


def rf_detr() -> tuple[Any, Any]:
    from transformers import RfDetrConfig, RfDetrDinov2Config, RfDetrForInstanceSegmentation
    from transformers.models.rf_detr.image_processing_rf_detr import RfDetrImageProcessor

    backbone = RfDetrDinov2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=56, patch_size=14, num_windows=1,
        out_features=["stage1", "stage2"],
    )  # fmt: skip
    config = RfDetrConfig(
        backbone_config=backbone, d_model=16, decoder_layers=1, decoder_self_attention_heads=2,
        decoder_cross_attention_heads=2, decoder_ffn_dim=16, decoder_n_points=2, num_queries=5, group_detr=1,
        c2f_num_blocks=1, num_labels=3,
    )  # fmt: skip
    return RfDetrForInstanceSegmentation(config), RfDetrImageProcessor(size={"height": 56, "width": 56})


def saved(make: Callable[[], tuple[Any, Any]], folder: Path, kindly: bool = False) -> Path:
    """A folder with random weights; ``kindly``, with classes so sure that something passes the threshold."""
    torch.manual_seed(0)
    model, processor = make()
    if kindly:
        head = model.class_predictor
        torch.nn.init.zeros_(head.weight)
        with torch.no_grad():
            head.bias.copy_(torch.tensor([8.0, 0, 0, -8.0]))
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("make", [mask2former, maskformer])
def test_instance_segmenters_give_what_their_processors_give(
    make: Callable[[], tuple[Any, Any]], tmp_path: Path
) -> None:
    folder = saved(make, tmp_path / "peer", kindly=True)
    peer = HuggingFacePeer(f"hf:{folder}", "cpu")
    found = peer(photo())
    assert found.labels.shape == (48, 64)
    assert found.scores
    assert all(0.5 <= score <= 1 for score in found.scores.values())
    from transformers import AutoImageProcessor

    network = getattr(transformers, str(peer.description["class"])).from_pretrained(folder).eval()
    own = AutoImageProcessor.from_pretrained(folder)
    with torch.inference_mode():
        outputs = network(**own(images=photo(), return_tensors="pt"))
    expected = own.post_process_instance_segmentation(outputs, target_sizes=[(48, 64)], return_binary_maps=True)[0]
    best = max(expected["segments_info"], key=lambda info: info["score"])
    assert max(found.scores.values()) == pytest.approx(best["score"])
    assert len(found.scores) == len(expected["segments_info"])
    json.dumps(peer.description)


def test_a_segmenter_that_is_sure_of_nothing_predicts_nothing(tmp_path: Path) -> None:
    model, processor = mask2former()
    torch.nn.init.zeros_(model.class_predictor.weight)
    with torch.no_grad():
        model.class_predictor.bias.copy_(torch.tensor([-8.0, -8, -8, 8]))
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    found = HuggingFacePeer(f"hf:{tmp_path}", "cpu")(photo())
    assert (found.labels.any(), found.scores) == (False, {})


def test_mask_generators_run_their_automatic_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision, which the pipeline needs, may be missing here: a double of it returns two masks, the worse first."""
    masks = np.zeros((2, 48, 64), dtype=np.bool_)
    masks[0, 10:30, 10:40], masks[1, 20:40, 30:60] = True, True
    asked = []

    def pipeline(source: str, device: torch.device) -> Any:
        asked.append(source)
        made = lambda picture: {"masks": list(masks), "scores": torch.tensor([0.9, 0.95])}  # noqa: E731
        return type("Pipeline", (), {"__call__": staticmethod(made), "model": torch.nn.Linear(1, 1)})()

    monkeypatch.setattr("uois_sam.evaluation.peers._pipeline", pipeline)
    folder = tmp_path / "sam-mini"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "sam"}')
    peer = HuggingFacePeer(f"hf:{folder}", "cpu")
    assert asked == [str(folder)]
    assert peer.name == "sam-mini"
    assert str(peer.description["scheme"]).startswith("automatic")
    found = peer(photo())
    assert found.scores == {1: pytest.approx(0.95), 2: pytest.approx(0.9)}
    assert (found.labels == 1).sum() == masks[1].sum()  # the better one on top
    assert (found.labels == 2).sum() == (masks[0] & ~masks[1]).sum()


def test_the_pipeline_itself_finds_something_or_nothing(tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    found = HuggingFacePeer(f"hf:{saved(sam, tmp_path / 'sam-mini')}", "cpu")(photo())
    assert found.labels.shape == (48, 64)


def test_rf_detr_gives_its_instances_or_none(tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    torch.manual_seed(0)
    for folder, sure in (("sure", 8.0), ("unsure", -8.0)):
        model, processor = rf_detr()
        for name, parameter in model.named_parameters():
            if "class_embed" in name:
                torch.nn.init.constant_(parameter, sure if name.endswith("bias") else 0.0)
        model.save_pretrained(tmp_path / folder)
        processor.save_pretrained(tmp_path / folder)
        peer = HuggingFacePeer(f"hf:{tmp_path / folder}", "cpu")
        found = peer(photo())
        assert peer.description["class"] == "RfDetrForInstanceSegmentation"
        assert found.labels.shape == (48, 64)
        assert bool(found.scores) == (sure > 0) and all(score > 0.5 for score in found.scores.values())


def test_without_torchvision_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    for kind in ("sam", "rf_detr"):
        (tmp_path / "config.json").write_text(f'{{"model_type": "{kind}"}}')
        with pytest.raises(MissingExtraError, match=r"torchvision.*\[peers\]"):
            HuggingFacePeer(f"hf:{tmp_path}", "cpu")


@pytest.mark.parametrize(
    ("peer", "said"),
    [
        ("facebook/sam-vit-base", "expected hf:MODEL_ID or hf:FOLDER"),
        ("hf:", "expected hf:MODEL_ID or hf:FOLDER"),
        ("hf:not a model", "expected a folder or a hub id like org/name"),
        ("hf:EMPTY", "config.json of a transformers model, found none"),
        ("hf:BERT", "expected a model that makes masks of its own .* found 'bert'"),
        ("hf:BROKEN", "a model that transformers can load, and it says"),
        ("hf:NONSENSE", "a model that transformers can load, and it says"),
    ],
)
def test_what_is_no_peer_is_told_in_one_line(peer: str, said: str, tmp_path: Path) -> None:
    for name in ("EMPTY", "BERT", "BROKEN", "NONSENSE"):
        (tmp_path / name).mkdir()
    (tmp_path / "BERT" / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "BROKEN" / "config.json").write_text("{")
    (tmp_path / "NONSENSE" / "config.json").write_text('{"model_type": "no such thing"}')
    where = peer.replace("hf:", f"hf:{tmp_path}/") if peer[3:] in ("EMPTY", "BERT", "BROKEN", "NONSENSE") else peer
    with pytest.raises(UOISError, match=said) as caught:
        HuggingFacePeer(where, "cpu")
    assert len(str(caught.value).splitlines()) == 1


def test_a_hub_that_cannot_be_reached_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UOISError, match="nobody/nothing: expected a model that transformers can load") as caught:
        HuggingFacePeer("hf:nobody/nothing", "cpu")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("token", [None, "hf_of_somebody"])
def test_a_gated_peer_says_where_to_accept_its_licence(
    token: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    if token is not None:
        monkeypatch.setenv("HF_TOKEN", token)
    with hub_for_client(monkeypatch, tmp_path) as hub:
        hub.gated.add("tests/gated")
        with pytest.raises(UOISError) as caught:
            HuggingFacePeer("hf:tests/gated", "cpu")
    told = str(caught.value)
    assert told.startswith("tests/gated is gated: ") and "https://huggingface.co/tests/gated" in told
    assert told.endswith("or give a folder that you have (hf:FOLDER)") and "\n" not in told


def test_a_hub_that_does_not_answer_is_told_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import huggingface_hub.constants as constants

    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)  # between its attempts
    with pytest.raises(UOISError, match="nobody/nothing: expected a model that transformers can load") as caught:
        HuggingFacePeer("hf:nobody/nothing", "cpu")
    assert len(str(caught.value).splitlines()) == 1
    assert [record for record in caplog.records if record.name.startswith("huggingface_hub")] == []


def test_half_a_file_is_told_in_one_line(tmp_path: Path) -> None:
    weights = saved(mask2former, tmp_path) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(UOISError, match="a model that transformers can load, and it says") as caught:
        HuggingFacePeer(f"hf:{tmp_path}", "cpu")
    assert len(str(caught.value).splitlines()) == 1


# --- rows beside the peers


def test_flags_mark_rows_and_are_explained() -> None:
    text = paper_tables([])
    assert "| UCN [depth] |" in text
    assert "| MSMFormer + refinement [depth, threshold] |" in text
    assert "| Mask2Former |" in text
    for flag in {flag for flags in METHOD_FLAGS.values() for flag in flags}:
        assert f"[{flag}] {FLAGS[flag]}" in text
    assert "under their own protocol: DA-Fusion." in text and "without figures here: UCN+ [unchecked]." in text
    methods, others = {row.method for row in (*TABLE_2, *TABLE_3)}, {row.method for row in ELSEWHERE}
    assert not methods & (others | set(WITHOUT_FIGURES))
    assert others | set(WITHOUT_FIGURES) <= set(METHOD_FLAGS) <= methods | others | set(WITHOUT_FIGURES)


def test_rows_that_are_not_in_the_paper_stand_below_its_rows_with_dashes_for_what_is_not_published() -> None:
    second, third = paper_tables([]).split("## Table III")
    row = "| DA-Fusion [depth, threshold, labels] | U-S | RGBD | 93.2 | 92.6 | 92.1 | – | – | 90.0 | 92.7 | 93.5 | "
    assert f"{row}92.4 | 92.9 | – | – | 88.0 | 92.9 |" in second
    assert second.index("| UOIS-SAM (paper)") < second.index("| DA-Fusion")
    assert "| DA-Fusion" not in third
    assert [row[0] for row in result_table(_report("model", "osd")).published][-1].startswith("DA-Fusion [")
    assert not any(row[0].startswith("DA-Fusion") for row in result_table(_report("model", "phocal")).published)


@pytest.mark.parametrize(
    ("kind", "dataset", "expected"), [("peer", "ocid", True), ("model", "ocid", False), ("peer", "osd", False)]
)
def test_sams_automatic_scheme_is_the_reference_row_of_peers(kind: str, dataset: str, expected: bool) -> None:
    first = result_table(_report(kind, dataset)).published[0]
    assert ("automatic scheme" in first[0]) == expected
    if expected:
        assert first[3:] == [f"{value:.1f}" for value in TABLE_4[0].result]


def _report(kind: str, dataset: str) -> Any:
    mean = {"overlap": dict.fromkeys(("precision", "recall", "f_measure"), 0.5), "over_75": 0.5}
    mean["boundary"] = mean["overlap"]
    scores = {"all_frames": mean, "empty_frames": 0, "non_empty_frames": None, "pooled": mean}
    return {"scores": scores, "method": {"name": "x", "kind": kind}, "dataset": {"name": dataset}}
