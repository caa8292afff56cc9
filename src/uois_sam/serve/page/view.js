// The canvas: the photo, its masks, clicks, box, region and cross. Coordinates are pixels of the photo.

import { colour, numberMap } from "./masks.js";

const MOST_PIXELS = 2e6; // of what is drawn; photos may be larger

export class View {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.layer = document.createElement("canvas");
    this.photo = null;
    this.marks = { clicks: [], box: null, region: null, drawing: null, cross: null };
    this.shown = 0;
  }

  // Show a photo ({bitmap, width, height}) with objects.
  show(photo, objects) {
    const scale = Math.min(1, Math.sqrt(MOST_PIXELS / (photo.width * photo.height)));
    const [width, height] = [photo.width, photo.height].map((side) => Math.max(1, Math.round(side * scale)));
    if (this.canvas.width !== width || this.canvas.height !== height) {
      Object.assign(this.canvas, { width, height });
      Object.assign(this.layer, { width, height });
    }
    this.photo = photo;
    this.numbers = numberMap(objects, width, height);
    this.shown = Math.min(this.shown, objects.length);
    this.paintMasks();
    this.draw();
  }

  // Highlight an object by its number; 0 for none.
  highlight(number) {
    if (number === this.shown || !this.photo) return;
    this.shown = number;
    this.paintMasks();
    this.draw();
  }

  paintMasks() {
    const { width, height } = this.canvas;
    const pixels = new ImageData(width, height), { numbers } = this;
    for (let y = 0, at = 0; y < height; y++) {
      for (let x = 0; x < width; x++, at++) {
        const number = numbers[at];
        const edge = number !== (x ? numbers[at - 1] : 0) || number !== (y ? numbers[at - width] : 0)
          || (number && (x === width - 1 || y === height - 1));
        const owner = number || (edge ? (x && numbers[at - 1]) || (y && numbers[at - width]) : 0);
        if (!owner) continue;
        const [red, green, blue] = colour(owner);
        pixels.data.set([red, green, blue, edge ? 255 : owner === this.shown ? 170 : 95], 4 * at);
      }
    }
    this.layer.getContext("2d").putImageData(pixels, 0, 0);
  }

  draw() {
    if (!this.photo) return;
    const { context, canvas, marks } = this;
    context.drawImage(this.photo.bitmap, 0, 0, canvas.width, canvas.height);
    context.drawImage(this.layer, 0, 0);
    const size = Math.max(1, canvas.width / canvas.clientWidth || 1);
    context.lineWidth = 2 * size;
    if (marks.region) this.path(marks.region, "#ffffff", [6 * size, 4 * size]);
    if (marks.drawing) this.path(marks.drawing, "#ffd166", []);
    if (marks.box) {
      const [left, top, right, bottom] = marks.box;
      this.path([[left, top], [right, top], [right, bottom], [left, bottom]], "#ffd166", []);
    }
    for (const [x, y, label] of marks.clicks) this.dot(x, y, label ? "#2ecc71" : "#e74c3c", 6 * size, label);
    if (marks.cross) this.crossHair(marks.cross, 9 * size);
  }

  path(points, style, dashes) {
    const { context } = this;
    context.strokeStyle = style;
    context.setLineDash(dashes);
    context.beginPath();
    points.forEach((point) => context.lineTo(...this.toCanvas(point)));
    context.closePath();
    context.stroke();
    context.setLineDash([]);
  }

  dot(x, y, style, radius, label) {
    const { context } = this, [cx, cy] = this.toCanvas([x, y]);
    context.fillStyle = style;
    context.strokeStyle = "#ffffff";
    context.beginPath();
    context.arc(cx, cy, radius, 0, 7);
    context.fill();
    context.stroke();
    context.beginPath();
    context.moveTo(cx - radius / 2, cy);
    context.lineTo(cx + radius / 2, cy);
    if (label) {
      context.moveTo(cx, cy - radius / 2);
      context.lineTo(cx, cy + radius / 2);
    }
    context.stroke();
  }

  crossHair(point, arm) {
    const { context } = this, [x, y] = this.toCanvas(point);
    context.strokeStyle = "#ffd166";
    context.strokeRect(x - arm / 2, y - arm / 2, arm, arm);
  }

  toCanvas([x, y]) {
    return [(x + 0.5) / this.photo.width * this.canvas.width, (y + 0.5) / this.photo.height * this.canvas.height];
  }

  // Pixel of the photo under the pointer, kept inside.
  at(event) {
    const frame = this.canvas.getBoundingClientRect(), { width, height } = this.photo;
    const inside = (value, most) => Math.max(0, Math.min(most - 1, value));
    return [
      inside((event.clientX - frame.left) / frame.width * width - 0.5, width),
      inside((event.clientY - frame.top) / frame.height * height - 0.5, height),
    ];
  }

  // Number of the object at a pixel of the photo; 0 for none.
  numberAt(point) {
    const [x, y] = this.toCanvas(point).map(Math.floor);
    return this.numbers?.[Math.min(y, this.canvas.height - 1) * this.canvas.width + Math.min(x, this.canvas.width - 1)] ?? 0;
  }
}
