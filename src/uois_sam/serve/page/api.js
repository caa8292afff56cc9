// Requests to the server. Errors are thrown as ApiError with the server's own line.

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const TOKEN = "uois-sam-token";

async function send(path, options = {}) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch {
    throw new ApiError(0, "The server does not answer.");
  }
  if (answer.status === 401) {
    await askForToken();
    return send(path, options);
  }
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({}));
    throw new ApiError(answer.status, said.error ?? `The server answers ${answer.status}.`);
  }
  return answer;
}

function askForToken() {
  const dialog = document.getElementById("token");
  const field = document.getElementById("token-text");
  field.value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      sessionStorage.setItem(TOKEN, field.value);
      resolve();
    }, { once: true });
  });
}

function post(path, body) {
  return send(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

export async function health() {
  return (await send("/health")).json();
}

// Encode a photo; the answer has its id and size.
export async function encode(blob, name) {
  const form = new FormData();
  form.append("image", blob, name);
  return (await send("/v1/encode", { method: "POST", body: form })).json();
}

// Find objects in an encoded photo: all within limits, or those that are pointed at.
export async function prompt(id, words) {
  return (await post("/v1/prompt", { id, ...words })).json();
}

// The label map of objects, best first, as a PNG.
export async function labelMap(objects) {
  return (await post("/v1/label_map", { segmentations: objects.map((each) => each.segmentation) })).blob();
}
