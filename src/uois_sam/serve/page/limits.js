// Sliders of the limits; those that were not moved leave the model's own settings alone.

const DEFAULTS = {
  min_score: (settings) => settings.min_score ?? settings.score_threshold,
  min_foreground: (settings) => settings.min_foreground ?? settings.foreground_threshold,
  max_area: (settings) => 100 * settings.max_area_fraction,
  min_area: () => 0,
};

export class Limits {
  // `changed()` is called whenever a slider has moved.
  constructor(root, changed) {
    this.sliders = Object.keys(DEFAULTS).map((name) => root.querySelector(`#${name}`));
    this.changed = changed;
    this.moved = new Set();
    for (const slider of this.sliders) {
      slider.addEventListener("input", () => {
        this.moved.add(slider.id);
        this.label(slider);
        changed();
      });
    }
  }

  // Begin with the model's settings.
  start(settings) {
    this.settings = settings;
    this.moved.clear();
    for (const slider of this.sliders) {
      slider.value = DEFAULTS[slider.id](settings);
      this.label(slider);
    }
  }

  reset() {
    this.start(this.settings);
    this.changed();
  }

  // Words of a request.
  words() {
    const share = (slider) => (slider.dataset.unit ? Number(slider.value) / 100 : Number(slider.value));
    return Object.fromEntries(this.sliders.filter(({ id }) => this.moved.has(id)).map((each) => [each.id, share(each)]));
  }

  label(slider) {
    const text = Number(slider.value).toFixed(slider.dataset.unit ? 1 : 2) + (slider.dataset.unit ?? "");
    slider.parentElement.querySelector("output").textContent = text;
  }
}
