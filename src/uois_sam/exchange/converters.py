"""One photo's objects as the Python objects of other libraries, and as files."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from uois_sam._version import __version__
from uois_sam.errors import UOISError
from uois_sam.exchange.native import instance_rows
from uois_sam.exchange.photo import LabelledPhoto
from uois_sam.exchange.registry import open_formats
from uois_sam.exchange.writing import write_photos
from uois_sam.io.encoding import encode_jpeg, encode_png
from uois_sam.io.files import Content, make_output_folder, write_together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uois_sam.instances import Instances
    from uois_sam.types import ImageArray


def save(instances: Instances, folder: Path, name: str, formats: Sequence[str], image: ImageArray | None) -> None:
    """See :meth:`uois_sam.instances.Instances.save`."""
    found = open_formats([each for each in formats if each != "native"])
    photo = instances.image if image is None else image
    labels = instances.label_map()
    make_output_folder(folder)
    if "native" in formats:
        record = {
            "image": f"{name}.png", "height": instances.image_hw[0], "width": instances.image_hw[1],
            "model": instances.model, "weights_sha256": "", "version": __version__, "selection": {},
            "notes": list(instances.notes), "instances": instance_rows(instances, labels),
        }  # fmt: skip
        files: dict[Path, Content] = {folder / f"{name}_label.png": encode_png(labels)}
        if photo is not None:
            picture = instances.overlay(photo, labels=labels)
            files[folder / f"{name}_overlay.jpg"] = encode_jpeg(picture, quality=92, subsampling="4:4:4")
        write_together({**files, folder / f"{name}.json": (json.dumps(record, indent=1) + "\n").encode()})
    if found:
        write_photos([instances.labelled(f"{name}.png", photo, labels)], folder, found)


def to_supervision(photo: LabelledPhoto, ids: npt.NDArray[np.int64] | None = None) -> Any:
    """See :meth:`uois_sam.instances.Instances.to_supervision`."""
    library = _imported("supervision", "to_supervision")
    return library.Detections(
        xyxy=np.array(photo.boxes, np.float32).reshape(-1, 4),
        mask=photo.masks,
        confidence=photo.scores,
        class_id=np.zeros(len(photo), np.int64),
        tracker_id=ids,
        data={"class_name": np.array([photo.category(index) for index in range(len(photo))], dtype=str)},
    )


def to_fiftyone(photo: LabelledPhoto) -> Any:
    """See :meth:`uois_sam.instances.Instances.to_fiftyone`."""
    library = _imported("fiftyone", "to_fiftyone")
    height, width = photo.image_hw
    found = []
    for index in photo.shown():
        left, top, right, bottom = photo.boxes[index]
        found.append(
            library.Detection(
                label=photo.category(index),
                bounding_box=[left / width, top / height, (right - left) / width, (bottom - top) / height],
                mask=photo.masks[index, top:bottom, left:right],
                confidence=None if photo.scores is None else float(photo.scores[index]),
            )
        )
    return library.Detections(detections=found)


def _imported(package: str, method: str) -> Any:
    try:
        return import_module(package)
    except ImportError as error:
        raise UOISError(f"Instances.{method} needs the package {package!r}: pip install {package}") from error
