// The list of objects, and the line beside the pointer.

import { colour } from "./masks.js";

const describe = (object, number) => `${number} · score ${object.score.toFixed(2)} · ${object.area.toLocaleString()} px`;

// One button for each object; focus and pointer show it, Delete removes it.
export function fillObjects(list, objects, { show, remove }) {
  list.replaceChildren(...objects.map((object, index) => {
    const item = document.createElement("li"), button = document.createElement("button");
    const swatch = document.createElement("span"), area = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = `rgb(${colour(index + 1).join(" ")})`;
    area.className = "area";
    area.textContent = `${object.area.toLocaleString()} px`;
    button.append(swatch, `${index + 1} · ${object.score.toFixed(2)}`, area);
    button.setAttribute("aria-label", describe(object, index + 1));
    for (const event of ["focus", "pointerenter"]) button.addEventListener(event, () => show(index + 1));
    button.addEventListener("pointerleave", () => show(0));
    button.addEventListener("keydown", (event) => {
      if (event.key === "Delete") { event.stopPropagation(); remove(index + 1); }
    });
    item.append(button);
    return item;
  }));
}

// Number, score and area of an object at the pointer; hidden without an object.
export function showTip(tip, object, number, event) {
  tip.hidden = !object;
  if (!object) return;
  tip.textContent = describe(object, number);
  const frame = tip.parentElement.getBoundingClientRect();
  const [x, y] = event ? [event.clientX - frame.left + 14, event.clientY - frame.top + 14] : [14, 14];
  tip.style.left = `${Math.max(0, Math.min(x, frame.width - tip.offsetWidth))}px`;
  tip.style.top = `${Math.max(0, Math.min(y, frame.height - tip.offsetHeight))}px`;
}
