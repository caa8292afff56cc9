"""Segment photos with one peer in this process, and print what it took as a line of JSON.

    PYTHON benchmarks/run_peer.py NAME FOLDER PHOTO [PHOTO ...] [--seconds 10]
    PYTHON benchmarks/run_peer.py NAME FOLDER --prepare

``peers.py`` runs it with the Python of the peer's own environment, so it imports nothing but that peer and NumPy.
FOLDER holds the peer's weights; ``--prepare`` draws random ones, in the files the peer itself writes and reads. Each
peer is used as its own documentation does, under its own defaults. A line ``{"first": ...}`` comes after the first
photo. Photos are then taken in rounds until the seconds are spent, each once at least; but where the first took longer
than that by itself, it is the figure.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

Segment = Callable[[Path], int]
"""Takes a photo's file and returns the number of masks, each of the photo's size and in NumPy."""
PACKAGES = ("uois-sam", "uois-sam-light", "torch", "torchvision", "transformers", "onnxruntime", "timm", "numpy",
            "mobilesam-mirror", "ultralytics-opencv-headless", "opencv-python-headless")  # fmt: skip


def _uois_sam(folder: Path) -> Segment:
    from uois_sam import UOISSAM

    model = UOISSAM.from_pretrained("compact", device="cpu")
    return lambda photo: len(model.predict(photo).masks)


def _transformers_model(name: str) -> tuple[Any, Any]:
    """The model with random weights and its image processor, as the published ones are configured."""
    library: Any = import_module("transformers")
    if name == "sam-vit-b":
        return library.SamModel(library.SamConfig()), library.SamImageProcessor()
    if name == "sam2.1-hiera-tiny":
        return library.Sam2Model(library.Sam2Config()), library.Sam2ImageProcessor()
    if name == "mask2former-swin-t":
        swin = library.SwinConfig(
            depths=[2, 2, 6, 2], out_features=["stage1", "stage2", "stage3", "stage4"], drop_path_rate=0.3
        )
        config = library.Mask2FormerConfig(backbone_config=swin, num_labels=80)
        sizes = {"size": {"shortest_edge": 800, "longest_edge": 1333}, "size_divisor": 32}
        processor = library.Mask2FormerImageProcessor(ignore_index=255, **sizes)
        return library.Mask2FormerForUniversalSegmentation(config), processor
    backbone = library.RfDetrDinov2Config(  # RFDETRSegNanoConfig of the package rfdetr
        hidden_size=384, num_attention_heads=6, patch_size=12, image_size=312, num_windows=1,
        out_features=["stage3", "stage6", "stage9", "stage12"],
    )  # fmt: skip
    config = library.RfDetrConfig(
        backbone_config=backbone, decoder_layers=4, decoder_n_points=2, num_queries=100, num_labels=91
    )
    processor = library.RfDetrImageProcessor(size={"height": 312, "width": 312})
    return library.RfDetrForInstanceSegmentation(config), processor


def _save_transformers(name: str, folder: Path) -> None:
    for part in _transformers_model(name):
        part.save_pretrained(folder)


def _mask_generator(folder: Path) -> Segment:
    import numpy as np
    from PIL import Image

    generate = import_module("transformers").pipeline("mask-generation", model=str(folder), device="cpu")

    def segment(photo: Path) -> int:
        try:
            return len([np.asarray(mask) for mask in generate(Image.open(photo).convert("RGB"))["masks"]])
        except RuntimeError as error:
            if "non-empty" not in str(error):  # nothing passed the pipeline's own filters
                raise
            return 0

    return segment


def _instances(name: str, folder: Path) -> Segment:
    import numpy as np
    import torch
    from PIL import Image

    library: Any = import_module("transformers")
    kind = {"mask2former-swin-t": "Mask2FormerForUniversalSegmentation"}.get(name, "RfDetrForInstanceSegmentation")
    processor = library.AutoImageProcessor.from_pretrained(folder)
    model = getattr(library, kind).from_pretrained(folder).eval()

    def segment(photo: Path) -> int:
        image = np.asarray(Image.open(photo).convert("RGB"))
        with torch.inference_mode():
            outputs = model(**processor(images=image, return_tensors="pt"))
        found = processor.post_process_instance_segmentation(
            outputs, target_sizes=[image.shape[:2]], return_binary_maps=True
        )[0]
        np.asarray(found["segmentation"])
        return len(found["segments_info"])

    return segment


def _save_mobile_sam(folder: Path) -> None:
    import torch

    torch.save(import_module("mobile_sam").sam_model_registry["vit_t"]().state_dict(), folder / "mobile_sam.pt")


def _mobile_sam(folder: Path) -> Segment:
    import numpy as np
    from PIL import Image

    library: Any = import_module("mobile_sam")
    model = library.sam_model_registry["vit_t"](str(folder / "mobile_sam.pt"))
    generator = library.SamAutomaticMaskGenerator(model.eval())
    return lambda photo: len(generator.generate(np.asarray(Image.open(photo).convert("RGB"))))


def _save_ultralytics(name: str, folder: Path) -> None:
    library: Any = import_module("ultralytics")
    if name == "yolo11n-seg":
        library.YOLO("yolo11n-seg.yaml").save(str(folder / f"{name}.pt"))
        return
    model = library.YOLO("yolov8s-seg.yaml")  # FastSAM-s is this network with one class
    tasks: Any = import_module("ultralytics.nn.tasks")
    one_class = tasks.SegmentationModel("yolov8s-seg.yaml", nc=1, verbose=False)
    one_class.args, one_class.task = model.model.args, model.task
    model.model = one_class
    model.save(str(folder / "FastSAM-s.pt"))


def _ultralytics(name: str, folder: Path) -> Segment:
    import torch

    library: Any = import_module("ultralytics")
    threads: Any = import_module("ultralytics.utils.torch_utils")
    threads.NUM_THREADS = torch.get_num_threads()  # else it leaves one core to others
    fast = name == "fastsam-s"
    model = library.FastSAM(str(folder / "FastSAM-s.pt")) if fast else library.YOLO(str(folder / f"{name}.pt"))
    options: dict[str, Any] = {"imgsz": 1024, "conf": 0.4, "iou": 0.9} if fast else {}

    def segment(photo: Path) -> int:
        found = model.predict(str(photo), device="cpu", retina_masks=True, verbose=False, save=False, **options)[0]
        return 0 if found.masks is None else len(found.masks.data.cpu().numpy())

    return segment


TRANSFORMERS = ("sam-vit-b", "sam2.1-hiera-tiny", "mask2former-swin-t", "rf-detr-seg-nano")
ULTRALYTICS = ("fastsam-s", "yolo11n-seg")


def prepare(name: str, folder: Path) -> None:
    """Write random weights for a peer that has none of its own."""
    if name in TRANSFORMERS:
        _save_transformers(name, folder)
    elif name == "mobilesam":
        _save_mobile_sam(folder)
    elif name in ULTRALYTICS:
        _save_ultralytics(name, folder)


def load(name: str, folder: Path) -> Segment:
    """Load a peer with the weights of a folder."""
    if name.startswith("uois-sam"):
        return _uois_sam(folder)
    if name == "mobilesam":
        return _mobile_sam(folder)
    if name in ULTRALYTICS:
        return _ultralytics(name, folder)
    if name in ("sam-vit-b", "sam2.1-hiera-tiny"):
        return _mask_generator(folder)
    return _instances(name, folder)


def operators_in_numpy() -> Any:
    """Give torchvision a non-maximum suppression in NumPy where its compiled operators do not fit this torch.

    Returns:
        What has to be kept alive while torchvision is used; None where nothing had to be done.
    """
    if not _installed("torchvision"):
        return None
    try:
        import_module("torchvision")
        return None
    except RuntimeError as error:
        if "does not exist" not in str(error):
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.impl("nms", _suppress, "CPU")
    extension: Any = import_module("torchvision.extension")
    extension._has_ops = lambda: True
    return library


def _suppress(boxes: Any, scores: Any, threshold: float) -> Any:
    import numpy as np
    import torch

    corners, order = boxes.numpy(), np.argsort(-scores.numpy(), kind="stable")
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        low = np.maximum(corners[best, :2], corners[order, :2])
        high = np.minimum(corners[best, 2:], corners[order, 2:])
        shared = np.prod(np.clip(high - low, 0, None), axis=1)
        order = order[shared <= threshold * (areas[best] + areas[order] - shared)]
    return torch.as_tensor(np.array(kept, dtype=np.int64))


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def peak_mib() -> float | None:
    """Return the peak resident memory of this process alone (Linux); None where it is not known."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def measure(name: str, folder: Path, photos: list[Path], seconds: float) -> dict[str, Any]:
    """Load a peer, take the photos in rounds, and return times in seconds and memory in MiB."""
    substitute = operators_in_numpy()
    segment = load(name, folder)
    masks: dict[str, int] = {}
    wall: list[float] = []
    processor: list[float] = []

    def take(photo: Path) -> None:
        start = time.perf_counter(), time.process_time()
        masks[photo.name] = segment(photo)
        wall.append(time.perf_counter() - start[0])
        processor.append(time.process_time() - start[1])

    take(photos[0])
    print(json.dumps({"first": time.process_time()}), flush=True)
    if wall[0] <= seconds:
        wall.clear()
        processor.clear()
        began = time.perf_counter()
        while not wall or time.perf_counter() - began < seconds:
            for photo in photos:
                take(photo)
    torch = sys.modules.get("torch")
    return {
        "wall_seconds": wall, "processor_seconds": processor, "masks": masks, "peak_mib": peak_mib(),
        "threads": torch.get_num_threads() if torch else int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1),
        "nms_in_numpy": substitute is not None,
        "packages": {package: metadata.version(package) for package in PACKAGES if _installed(package)},
    }  # fmt: skip


def main() -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    parser.add_argument("photos", type=Path, nargs="*")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--prepare", action="store_true")
    options = parser.parse_args()
    if options.prepare:
        substitute = operators_in_numpy()
        options.folder.mkdir(parents=True, exist_ok=True)
        prepare(options.name, options.folder)
        del substitute
    else:
        print(json.dumps(measure(options.name, options.folder, options.photos, options.seconds)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
