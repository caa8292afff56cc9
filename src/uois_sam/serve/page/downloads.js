// Results as files: label map, COCO, crops.

import { labelMap } from "./api.js";
import { decode } from "./masks.js";
import { zip } from "./zip.js";

const stem = (name) => name.replace(/\.[^.]*$/, "");

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export async function saveLabelMap(photo, objects) {
  save(await labelMap(objects), `${stem(photo.name)}_label.png`);
}

// All photos with results, as one COCO file: [{photo, objects}].
export function saveCoco(results) {
  const images = [], annotations = [];
  results.forEach(({ photo, objects }, index) => {
    images.push({ id: index + 1, file_name: photo.name, width: photo.width, height: photo.height });
    for (const { segmentation, bbox, area, score } of objects) {
      annotations.push({
        id: annotations.length + 1, image_id: index + 1, category_id: 1, segmentation, bbox, area, score, iscrowd: 0,
      });
    }
  });
  const content = { images, annotations, categories: [{ id: 1, name: "object" }] };
  save(new Blob([JSON.stringify(content)], { type: "application/json" }), "annotations.json");
}

// A ZIP of one PNG for each object, transparent around it.
export async function saveCrops(photo, objects) {
  const files = [];
  for (const [index, object] of objects.entries()) {
    const blob = await crop(photo, object);
    if (blob) files.push({ name: `${stem(photo.name)}_${index + 1}.png`, content: new Uint8Array(await blob.arrayBuffer()) });
  }
  save(zip(files), `${stem(photo.name)}_crops.zip`);
}

async function crop(photo, { segmentation, bbox: [left, top, width, height] }) {
  if (!width || !height) return null;
  const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
  context.drawImage(photo.bitmap, -left, -top);
  const pixels = context.getImageData(0, 0, width, height);
  const mask = decode(segmentation), fullHeight = segmentation.size[0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!mask[(left + x) * fullHeight + top + y]) pixels.data[4 * (y * width + x) + 3] = 0;
    }
  }
  context.putImageData(pixels, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}
