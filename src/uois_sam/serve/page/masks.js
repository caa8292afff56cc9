// Masks of COCO's compressed run-length encoding, and the map of numbers that is drawn and pointed at.

// Lengths of runs, 0s first, column by column.
export function runs(counts) {
  const lengths = [];
  let at = 0;
  while (at < counts.length) {
    let value = 0, shift = 0, more = true;
    while (more) {
      const code = counts.charCodeAt(at++) - 48;
      value |= (code & 31) << shift;
      more = (code & 32) !== 0;
      shift += 5;
      if (!more && (code & 16)) value |= -1 << shift;
    }
    if (lengths.length > 2) value += lengths[lengths.length - 2];
    lengths.push(value);
  }
  return lengths;
}

// Call `visit(first, last)` for every run of 1s; positions are x * height + y.
function eachRun(counts, visit) {
  let position = 0;
  runs(counts).forEach((length, index) => {
    if (index % 2) visit(position, position + length);
    position += length;
  });
}

// Mask of a photo as Uint8Array, column by column.
export function decode(segmentation) {
  const [height, width] = segmentation.size;
  const mask = new Uint8Array(height * width);
  eachRun(segmentation.counts, (first, last) => mask.fill(1, first, last));
  return mask;
}

// Intersection over union of two masks as `decode` gives them.
export function overlap(one, other) {
  let both = 0, either = 0;
  for (let at = 0; at < one.length; at++) {
    both += one[at] & other[at];
    either += one[at] | other[at];
  }
  return either ? both / either : 0;
}

// (height x width) Uint16Array, row by row: number of the first object that covers each pixel, 0 for none.
export function numberMap(objects, width, height) {
  const numbers = new Uint16Array(width * height);
  for (let index = objects.length - 1; index >= 0; index--) {
    const { segmentation, box_xyxy: box } = objects[index];
    const [fullHeight, fullWidth] = segmentation.size;
    const mask = decode(segmentation);
    const [left, top] = [Math.floor(box[0] / fullWidth * width), Math.floor(box[1] / fullHeight * height)];
    const [right, bottom] = [Math.ceil(box[2] / fullWidth * width), Math.ceil(box[3] / fullHeight * height)];
    for (let x = left; x < Math.min(right, width); x++) {
      const column = Math.min(fullWidth - 1, Math.floor((x + 0.5) / width * fullWidth)) * fullHeight;
      for (let y = top; y < Math.min(bottom, height); y++) {
        if (mask[column + Math.min(fullHeight - 1, Math.floor((y + 0.5) / height * fullHeight))]) {
          numbers[y * width + x] = index + 1;
        }
      }
    }
  }
  return numbers;
}

// [r, g, b] of object number 1, 2, ...: hues a golden angle apart.
export function colour(number) {
  const hue = (number * 137.508) % 360, light = 0.5 + 0.12 * (number % 2);
  const channel = (n) => {
    const k = (n + hue / 30) % 12;
    return Math.round(255 * (light - 0.85 * Math.min(light, 1 - light) * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [channel(0), channel(8), channel(4)];
}
