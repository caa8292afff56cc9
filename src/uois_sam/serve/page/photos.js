// Where photos come from: files, folders, drops, the webcam; and the strip of thumbnails.

const THUMBNAIL_PX = 64;

// {name, blob, bitmap, width, height, id, found, added, region, notes}
export async function readPhoto(blob, name) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    throw new Error(`${name}: this browser cannot show it; uois-sam segment may read it.`);
  }
  return { name, blob, bitmap, width: bitmap.width, height: bitmap.height, id: null, found: null, added: [],
    region: null, notes: [] };
}

// Photos among files, by name.
export function photosAmong(files) {
  const photos = [...files].filter((file) => file.type.startsWith("image/"));
  return photos.sort((a, b) => pathOf(a).localeCompare(pathOf(b), undefined, { numeric: true }));
}

const pathOf = (file) => file.webkitRelativePath || file.name;

// Files that were dropped, those in folders too.
export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  return (await Promise.all(entries.map(filesBelow))).flat();
}

async function filesBelow(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader(), found = [];
  for (;;) { // it gives a hundred at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    found.push(...some);
  }
  return (await Promise.all(found.map(filesBelow))).flat();
}

export class Webcam {
  constructor(video) {
    this.video = video;
    this.stream = null;
  }

  async start() {
    this.stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } });
    this.video.srcObject = this.stream;
    await this.video.play();
  }

  // The picture of this moment, as a PNG.
  shoot() {
    const { videoWidth: width, videoHeight: height } = this.video;
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d").drawImage(this.video, 0, 0);
    return canvas.convertToBlob({ type: "image/png" });
  }

  stop() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = this.video.srcObject = null;
  }
}

// Buttons with thumbnails; `choose(index)` is told which one was pressed.
export function fillStrip(strip, photos, current, choose) {
  strip.hidden = photos.length < 2;
  while (strip.children.length > photos.length) strip.lastChild.remove();
  photos.forEach((photo, index) => {
    const button = strip.children[index] ?? strip.appendChild(thumbnail(photo));
    button.onclick = () => choose(index);
    button.setAttribute("aria-current", index === current);
    const number = button.querySelector(".number");
    number.textContent = photo.found ? photo.found.length + photo.added.length : "";
    number.hidden = !photo.found;
  });
  strip.children[current]?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function thumbnail(photo) {
  const button = document.createElement("button");
  const canvas = document.createElement("canvas"), number = document.createElement("span");
  canvas.height = THUMBNAIL_PX;
  canvas.width = Math.max(1, Math.round(photo.width / photo.height * THUMBNAIL_PX));
  canvas.getContext("2d").drawImage(photo.bitmap, 0, 0, canvas.width, canvas.height);
  button.title = photo.name;
  button.setAttribute("aria-label", photo.name);
  number.className = "number";
  button.append(canvas, number);
  return button;
}
