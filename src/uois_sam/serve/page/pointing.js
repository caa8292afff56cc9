// From pointer and keys on the canvas to clicks, boxes and regions.

const DRAG_PX = 5;

// Handlers: click(point, label), box([x0, y0, x1, y1]), region(points), hover(event, point or null).
export function watchPointer(view, isLasso, handlers) {
  const { canvas } = view;
  let start = null, path = [];

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button || !view.photo) return;
    start = { x: event.clientX, y: event.clientY, point: view.at(event), dragged: false };
    path = [start.point];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!view.photo) return;
    const point = view.at(event);
    handlers.hover(event, point);
    if (!start) return;
    start.dragged ||= Math.hypot(event.clientX - start.x, event.clientY - start.y) > DRAG_PX;
    if (!start.dragged) return;
    path.push(point);
    view.marks.drawing = isLasso() ? path : corners(start.point, point);
    view.draw();
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!start) return;
    const { point, dragged } = start, end = view.at(event);
    start = null;
    view.marks.drawing = null;
    if (!dragged) {
      if (!isLasso()) handlers.click(point, event.shiftKey ? 0 : 1);
    } else if (isLasso()) handlers.region(thinned(path));
    else handlers.box(boxOf(point, end));
    view.draw();
  });
  canvas.addEventListener("pointercancel", () => { start = view.marks.drawing = null; view.draw(); });
  canvas.addEventListener("pointerleave", (event) => handlers.hover(event, null));
}

// A cross that arrow keys move, and that space clicks at.
export function watchKeys(view, click, hover) {
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  view.canvas.addEventListener("keydown", (event) => {
    if (!view.photo) return;
    const { width, height } = view.photo, step = steps[event.key];
    if (!step && event.key !== " ") return;
    view.marks.cross ??= [Math.floor(width / 2), Math.floor(height / 2)];
    if (step) {
      const far = event.shiftKey ? 10 : 1;
      view.marks.cross = [
        Math.max(0, Math.min(width - 1, view.marks.cross[0] + far * step[0])),
        Math.max(0, Math.min(height - 1, view.marks.cross[1] + far * step[1])),
      ];
      hover(view.marks.cross);
    } else click(view.marks.cross, event.shiftKey ? 0 : 1);
    event.preventDefault();
    view.draw();
  });
  view.canvas.addEventListener("blur", () => { view.marks.cross = null; view.draw(); });
}

function corners([left, top], [right, bottom]) {
  return [[left, top], [right, top], [right, bottom], [left, bottom]];
}

// Whole pixels; upper ends exclusive.
function boxOf([x0, y0], [x1, y1]) {
  const [left, right] = [Math.min(x0, x1), Math.max(x0, x1)].map(Math.round);
  const [top, bottom] = [Math.min(y0, y1), Math.max(y0, y1)].map(Math.round);
  return [left, top, right + 1, bottom + 1];
}

function thinned(path) {
  const step = Math.ceil(path.length / 200);
  return path.filter((_, index) => index % step === 0);
}
