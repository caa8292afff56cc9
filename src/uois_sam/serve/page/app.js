// The page: which photo is shown, what was asked of it, and what was found.

import * as api from "./api.js";
import { saveCoco, saveCrops, saveLabelMap } from "./downloads.js";
import { Limits } from "./limits.js";
import { decode, overlap } from "./masks.js";
import { fillObjects, showTip } from "./objects.js";
import { Webcam, droppedFiles, fillStrip, photosAmong, readPhoto } from "./photos.js";
import { watchKeys, watchPointer } from "./pointing.js";
import { View } from "./view.js";

const SAME = 0.5; // overlap from which two masks are of one object
const element = (id) => document.getElementById(id);
const view = new View(element("photo"));
const webcam = new Webcam(element("video"));
const photos = [];
let current = -1; // index of the photo that is shown
let target = { clicks: [], box: null, found: null }; // object that is being pointed at
let lasso = false;
let asked = 0; // number of the last request: answers to earlier ones are dropped
let coming = null; // promise of the answer to the last click or box
let refused = []; // what is said of the files that were given last and cannot be shown

const limits = new Limits(element("limits"), () => find(300));
const photo = () => photos[current];
const objects = () => (photo() ? [...(target.found ?? []), ...photo().added, ...(photo().found ?? [])] : []);

function tell(text, bad = false) {
  element("status").textContent = text;
  element("status").classList.toggle("bad", bad);
}

async function guarded(work) {
  try {
    return await work();
  } catch (error) {
    tell(error.message, true);
  }
}

function render() {
  const some = objects();
  const has = Boolean(photo());
  for (const id of ["photo", "hint"]) element(id).hidden = (id === "photo") !== has;
  if (has) {
    Object.assign(view.marks, { clicks: target.clicks, box: target.box, region: photo().region });
    view.show(photo(), some);
  }
  fillObjects(element("objects"), some, { show: highlight, remove });
  highlight(target.found ? 1 : 0);
  element("count").textContent = has && photo().found ? `Objects: ${some.length}` : "Objects";
  const pointing = target.clicks.length > 0 || target.box !== null;
  element("keep").disabled = !target.found;
  for (const id of ["undo", "drop"]) element(id).disabled = !pointing;
  for (const id of ["label-map", "coco", "crops"]) element(id).disabled = !some.length;
  element("notes").replaceChildren(...[...refused, ...(photo()?.notes ?? [])].map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
  fillStrip(element("strip"), photos, current, choose);
}

function highlight(number) {
  view.highlight(number);
  [...element("objects").children].forEach((item, index) => {
    item.firstChild.classList.toggle("shown", index + 1 === number);
  });
}

// Ask about the photo that is shown; one that the server has dropped is encoded again.
async function ask(words) {
  const one = photo();
  for (let attempt = 0; ; attempt++) {
    if (!one.id) {
      const kept = await api.encode(one.blob, one.name);
      if (kept.width !== one.width || kept.height !== one.height) {
        throw new Error(`the server reads ${kept.width}x${kept.height}, this browser ${one.width}x${one.height}`);
      }
      one.id = kept.id;
    }
    try {
      return await api.prompt(one.id, words);
    } catch (error) {
      if (error.status !== 404 || attempt) throw error;
      one.id = null;
    }
  }
}

// Ask once nothing has changed for some milliseconds; `take(answer)` gets the answer unless another was asked for.
async function askLast(words, wait, take) {
  const number = ++asked;
  await new Promise((resolve) => setTimeout(resolve, wait));
  if (number !== asked || !photo()) return;
  const one = photo(), began = performance.now();
  tell(`${one.name} ...`);
  const wanted = () => number === asked && one === photo();
  try {
    const answer = await ask(words());
    if (!wanted()) return;
    take(one, answer);
    tell(`${one.name}: ${objects().length} objects in ${((performance.now() - began) / 1000).toFixed(2)} s`);
  } catch (error) {
    if (wanted()) tell(`${one.name}: ${error.message}`, true);
  }
  render();
}

function find(wait = 0) {
  const words = () => ({ ...limits.words(), ...(photo().region ? { region: shares(photo().region) } : {}) });
  return askLast(words, wait, (one, answer) => {
    one.found = answer.instances;
    one.notes = answer.notes;
  });
}

const shares = (points) => points.map(([x, y]) => [
  Math.min(1, (x + 0.5) / photo().width), Math.min(1, (y + 0.5) / photo().height),
]);

function pointAt(change) {
  change(target);
  if (!target.box && !target.clicks.some(([, , label]) => label)) {
    target.found = null;
    if (target.clicks.length) tell("Click on the object as well: so far there are only clicks beside it.", true);
    return render();
  }
  render();
  const words = () => ({
    ...(target.clicks.length ? { points: [target.clicks.map(([x, y]) => [x, y])], labels: [target.clicks.map((c) => c[2])] } : {}),
    ...(target.box ? { boxes: [target.box] } : {}),
  });
  coming = askLast(words, 0, (_, answer) => { target.found = answer.instances; });
  return coming;
}

function forget() {
  target = { clicks: [], box: null, found: null };
}

// Keep the object that is pointed at, by all clicks and the box so far, in place of those that are the same.
async function keep() {
  await coming;
  if (!target.found) return;
  const one = photo(), before = objects().length;
  const masks = target.found.map((each) => decode(each.segmentation));
  const differs = (each) => !masks.some((mask) => overlap(mask, decode(each.segmentation)) > SAME);
  one.found = (one.found ?? []).filter(differs);
  one.added = [...target.found, ...one.added.filter(differs)];
  forget();
  render();
  tell(`${one.name}: kept${objects().length < before ? `, in place of ${before - objects().length} that it covers` : ""}`);
}

function undo() {
  pointAt((one) => (one.clicks.length ? one.clicks.pop() : (one.box = null)));
}

function discard() {
  asked++;
  forget();
  render();
}

function remove(number) {
  const object = objects()[number - 1];
  if (target.found?.includes(object)) return discard();
  for (const list of [photo().added, photo().found]) {
    if (list.includes(object)) list.splice(list.indexOf(object), 1);
  }
  view.shown = 0;
  render();
}

async function choose(index) {
  if (!photos[index]) return;
  current = index;
  asked++;
  forget();
  view.shown = 0;
  render();
  if (!photo().found) await find();
}

async function add(files) {
  const first = photos.length;
  refused = [];
  for (const file of files) {
    try {
      photos.push(await readPhoto(file, file.webkitRelativePath || file.name));
      if (photos.length === first + 1) choose(first);
    } catch (error) {
      refused.push(error.message); // among the notes, where the next photo does not take its place
      tell(error.message, true);
    }
  }
  render();
  if (!files.length) tell("Expected photos, found none.", true);
}

function toggleLasso(on = !lasso) {
  lasso = on && Boolean(photo());
  element("region").setAttribute("aria-pressed", lasso);
  view.canvas.classList.toggle("lasso", lasso);
}

async function toggleWebcam(on = !webcam.stream) {
  if (on) await guarded(() => webcam.start());
  else webcam.stop();
  const live = Boolean(webcam.stream);
  for (const id of ["video", "shoot"]) element(id).hidden = !live;
  element("photo").hidden = live || !photo();
  element("hint").hidden = live || Boolean(photo());
}

async function shoot() {
  const blob = await webcam.shoot();
  await toggleWebcam(false);
  await add([new File([blob], `webcam_${photos.length + 1}.png`, { type: "image/png" })]);
  choose(photos.length - 1);
}

const results = () => photos.filter((one) => one.found).map((one) => ({ photo: one, objects: one === photo() ? objects() : [...one.added, ...one.found] }));

const presses = {
  open: () => element("files").click(), folder: () => element("folder-files").click(), camera: () => toggleWebcam(),
  help: () => element("keys").showModal(), shoot, keep, undo, drop: discard,
  region: () => toggleLasso(),
  reset: () => { if (photo()) photo().region = null; limits.reset(); },
  "label-map": () => guarded(() => saveLabelMap(photo(), objects())),
  coco: () => saveCoco(results()),
  crops: () => guarded(() => saveCrops(photo(), objects())),
};
const keys = {
  o: presses.open, f: presses.folder, c: presses.camera, r: presses.region, "?": presses.help,
  "[": () => choose(current - 1), "]": () => choose(current + 1),
  Enter: keep, Backspace: undo,
  Escape: () => { toggleWebcam(false); toggleLasso(false); discard(); },
  Delete: () => view.shown && remove(view.shown),
};

for (const [id, press] of Object.entries(presses)) element(id).addEventListener("click", press);
document.addEventListener("keydown", (event) => {
  const busy = event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]");
  const press = keys[event.key];
  const own = event.target.closest("input, button") && ["Enter", " "].includes(event.key);
  if (press && !busy && !own) { event.preventDefault(); press(); }
});
for (const id of ["files", "folder-files"]) {
  element(id).addEventListener("change", (event) => { add(photosAmong(event.target.files)); event.target.value = ""; });
}
const stage = element("stage");
document.addEventListener("dragover", (event) => { event.preventDefault(); stage.classList.add("over"); });
document.addEventListener("dragleave", () => stage.classList.remove("over"));
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  stage.classList.remove("over");
  add(photosAmong(await droppedFiles(event.dataTransfer)));
});

const click = (point, label) => pointAt((one) => one.clicks.push([...point.map((value) => Math.round(value * 10) / 10), label]));
function hover(point, event = null) {
  const number = point ? view.numberAt(point) : 0;
  highlight(number || (target.found ? 1 : 0));
  showTip(element("tip"), objects()[number - 1], number, event);
}
watchPointer(view, () => lasso, {
  click,
  box: (box) => pointAt((one) => { one.box = box; }),
  region: (region) => { photo().region = region; toggleLasso(false); find(); },
  hover: (event, point) => hover(point, event),
});
watchKeys(view, click, (point) => hover(point));

guarded(async () => {
  const state = await api.health();
  element("model").textContent = `${state.model} on ${state.device}`;
  limits.start({ ...state.defaults, ...state.request });
  document.body.dataset.ready = "true";
});
