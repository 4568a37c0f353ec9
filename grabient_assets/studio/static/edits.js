// The pages of images and edits: the dialog with its three tabs, the region, the price, the slider, and progress.
// Without this file the dialog is a section of the page, and a form shows the price before it asks.
"use strict";

document.documentElement.classList.add("scripted");

const NAMES = ["x", "y", "w", "h"];
const STEP = 0.01;
const LEAST = 0.005;
const MIDDLE = [0.25, 0.25, 0.5, 0.5];
const within = (value, least, most) => Math.min(Math.max(value, least), most);

// A region inside the image: left, top, width, height as fractions.
const inside = ([x, y, w, h]) => {
  const width = within(w, LEAST, 1);
  const height = within(h, LEAST, 1);
  return [within(x, 0, 1 - width), within(y, 0, 1 - height), width, height];
};

// The dotted region is being moved; Enter or the end of a drag sets it. What is set is in the form.
class Region {
  constructor(form) {
    this.canvas = form.querySelector("#mask");
    this.image = form.querySelector("[data-parent]");
    this.field = form.querySelector("[name=mask]");
    this.numbers = NAMES.map((name) => form.querySelector(`[name=mask_${name}]`));
    this.place = form.querySelector("[data-region]");
    this.form = form;
    this.moving = null;
    const typed = this.numbers.map((one) => (one.value === "" ? NaN : Number(one.value) / 100));
    this.is = typed.every(Number.isFinite) ? typed : this.field.value ? this.field.value.split(",").map(Number) : null;
    if (this.is) this.set(this.is);
    this.canvas.addEventListener("pointerdown", (event) => this.drag(event));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    for (const one of this.numbers) one.addEventListener("input", () => this.type());
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    this.draw();
  }

  set(region) {
    this.moving = null;
    this.is = region && inside(region);
    const texts = this.is?.map((part) => String(Number(part.toFixed(4))));
    this.field.value = texts ? texts.join(",") : "";
    this.numbers.forEach((one, at) => {
      one.value = texts ? String(Number((Number(texts[at]) * 100).toFixed(2))) : "";
    });
    this.said();
  }

  said() {
    const text = (region) => region.map((part) => `${Math.round(part * 100)} %`);
    const shown = this.moving ?? this.is;
    if (!shown) this.place.textContent = "The whole image may change.";
    else {
      const [x, y, w, h] = text(shown);
      this.place.textContent =
        `${w} by ${h}, ${x} from the left and ${y} from the top${this.moving ? ": press Enter to set it." : " may change."}`;
    }
    this.draw();
    this.form.dispatchEvent(new Event("change", { bubbles: true }));
  }

  type() {
    const typed = this.numbers.map((one) => (one.value === "" ? NaN : Number(one.value) / 100));
    this.is = typed.every(Number.isFinite) ? typed : null;
    this.moving = null;
    this.field.value = ""; // the numbers are sent as they stand, so that the server says what is wrong with them
    this.draw();
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [within((event.clientX - box.left) / box.width, 0, 1), within((event.clientY - box.top) / box.height, 0, 1)];
  }

  drag(event) {
    if (event.button !== 0) return;
    const [left, top] = this.at(event);
    const before = this.is;
    this.canvas.setPointerCapture(event.pointerId);
    const move = (later) => {
      const [x, y] = this.at(later);
      this.moving = [Math.min(x, left), Math.min(y, top), Math.abs(x - left), Math.abs(y - top)];
      this.draw();
    };
    const end = (later) => {
      for (const [name, what] of listened) this.canvas.removeEventListener(name, what);
      const drawn = this.moving;
      this.moving = null;
      const kept = later.type === "pointerup" && drawn && drawn[2] >= LEAST && drawn[3] >= LEAST;
      this.set(kept ? drawn : before);
    };
    const listened = [["pointermove", move], ["pointerup", end], ["pointercancel", end]];
    for (const [name, what] of listened) this.canvas.addEventListener(name, what);
  }

  key(event) {
    const step = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter") this.set(this.moving ?? this.is ?? MIDDLE);
    else if (event.key === "Escape" && (this.moving || this.is)) this.set(null);
    else if (step) {
      const [x, y, w, h] = this.moving ?? this.is ?? MIDDLE;
      this.moving = event.shiftKey
        ? [x, y, within(w + step[0], LEAST, 1 - x), within(h + step[1], LEAST, 1 - y)]
        : inside([x + step[0], y + step[1], w, h]);
      this.said();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width) return;
    this.canvas.width = width * devicePixelRatio;
    this.canvas.height = height * devicePixelRatio;
    const paint = this.canvas.getContext("2d");
    paint.scale(devicePixelRatio, devicePixelRatio);
    const box = ([x, y, w, h]) => [x * width, y * height, w * width, h * height];
    if (this.is) {
      paint.fillStyle = "rgb(0 0 0 / 45%)";
      paint.fillRect(0, 0, width, height);
      paint.clearRect(...box(this.is));
      this.line(paint, box(this.is), []);
    }
    if (this.moving) this.line(paint, box(this.moving), [6, 4]);
  }

  // Black on white is seen on any image.
  line(paint, box, dashes) {
    paint.setLineDash([]);
    paint.lineWidth = 4;
    paint.strokeStyle = "#ffffff";
    paint.strokeRect(...box);
    paint.setLineDash(dashes);
    paint.lineWidth = 2;
    paint.strokeStyle = "#000000";
    paint.strokeRect(...box);
  }
}

class Refinement {
  constructor(dialog, form) {
    this.dialog = dialog;
    this.form = form;
    this.price = form.querySelector("[data-price]");
    this.priced = form.querySelector("[name=priced]");
    this.button = form.querySelector("button[type=submit]");
    this.radios = [...form.querySelectorAll("[name=kind]")];
    const canvas = form.querySelector("#mask");
    for (const one of form.querySelectorAll("[data-scripted], [data-close]")) one.hidden = false;
    form.querySelector("[data-close]").addEventListener("click", () => dialog.close());
    this.asTabs();
    canvas.hidden = false;
    this.region = new Region(form);
    for (const name of ["change", "input"]) {
      form.addEventListener(name, ({ target }) => target.name !== "prompt" && target.name !== "instructions" && this.changed());
    }
    this.kind();
  }

  // Radios stay what they are and get the roles of tabs: arrow keys choose, as tabs want it.
  asTabs() {
    this.form.querySelector("[data-kinds]").setAttribute("role", "tablist");
    for (const one of this.form.querySelectorAll("[data-panel]")) one.setAttribute("role", "tabpanel");
    for (const one of this.radios) {
      one.setAttribute("role", "tab");
      one.setAttribute("aria-controls", one.dataset.controls);
      one.addEventListener("change", () => this.kind());
    }
  }

  kind() {
    const chosen = this.radios.find((one) => one.checked);
    for (const one of this.radios) one.setAttribute("aria-selected", String(one === chosen));
    for (const one of this.form.querySelectorAll("[data-panel]")) {
      const mine = one.id === chosen.dataset.controls;
      one.hidden = !mine;
      for (const field of one.querySelectorAll("input, textarea")) field.disabled = !mine;
      one.querySelector("textarea").required = mine;
      if (mine) one.setAttribute("aria-labelledby", chosen.id);
    }
    this.form.querySelector("#mask").hidden = chosen.value !== "prompt";
    this.form.querySelector("#reference").required = chosen.value === "subject";
    this.region?.draw();
  }

  open(button) {
    if (button) {
      const image = this.form.querySelector("[data-parent]");
      const { refine, file, width, height, of } = button.dataset;
      if (this.form.elements.image.value !== refine) this.region.set(null);
      this.form.elements.image.value = refine;
      Object.assign(image, { src: `/files/${file}`, width, height });
      this.form.querySelector("[data-of-image]").textContent = of;
    }
    if (!this.dialog.open) this.dialog.showModal();
    this.region.draw();
    this.changed();
  }

  // The price is asked for when nobody has typed for a moment. Whoever is faster gets the page with the price first.
  changed() {
    clearTimeout(this.waiting);
    this.asking?.abort();
    this.priced.disabled = true;
    this.button.textContent = "Ask for the edit";
    this.button.disabled = false;
    this.waiting = setTimeout(() => this.askPrice(), 200);
  }

  async askPrice() {
    if (!this.dialog.open) return;
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(this.form)) {
      if (typeof value === "string" && !["token", "priced", "prompt", "instructions"].includes(name)) query.set(name, value);
    }
    if (this.form.elements.reference.files.length) query.set("with_reference", "1");
    if (!this.form.elements.mask_file.disabled && this.form.elements.mask_file.files.length) query.set("with_mask", "1");
    this.asking = new AbortController();
    try {
      const answer = await fetch(`/edits/price?${query}`, { signal: this.asking.signal, cache: "no-store" });
      const told = await answer.json();
      this.priced.disabled = !answer.ok;
      this.price.classList.toggle("warning", !answer.ok || told.over);
      if (!answer.ok) {
        this.price.textContent = told.error;
        return;
      }
      this.priced.value = told.priced;
      this.price.dataset.usd = told.usd.expected;
      const [low, expected, high] = ["low", "expected", "high"].map((name) => dollars(Number(told.usd[name])));
      this.price.textContent = `About ${expected} USD, from ${low} to ${high}, at ${told.size} pixels.`
        + (told.over ? ` That may be more than the ${dollars(Number(told.max_usd))} USD that it may cost at most, so it is not asked.` : "");
      this.button.disabled = told.over;
      this.button.textContent = `Ask for the edit, about ${expected} USD`;
    } catch (error) {
      if (error.name === "AbortError") return;
      this.price.textContent = "The studio does not answer. Is it still running?";
    }
  }
}

// Progress of each edit under way. A browser opens a stream again by itself; one that has ended is closed here.
const followed = new Map();

function followEdits() {
  for (const place of document.querySelectorAll("[data-going]")) {
    const edit = place.dataset.going;
    if (followed.has(edit)) continue;
    const stream = new EventSource(`/edits/${edit}/events`);
    followed.set(edit, stream);
    stream.addEventListener("message", (event) => {
      const data = JSON.parse(event.data);
      showProgress(edit, data);
      if (!data.settled) return;
      stream.close();
      followed.delete(edit);
      renew();
    });
  }
}

function showProgress(edit, data) {
  const place = document.querySelector(`[data-going="${CSS.escape(edit)}"]`);
  if (!place) return;
  const bar = place.querySelector("[role=progressbar]");
  bar.setAttribute("aria-valuenow", data.percent);
  bar.setAttribute("aria-valuetext", `${data.percent} %: ${data.message}`);
  bar.firstElementChild.style.setProperty("--share", data.percent / 100);
  place.querySelector("[data-percent]").textContent = `${data.percent} %`;
  place.querySelector("[data-message]").textContent = data.message;
}

document.addEventListener("studio:renewed", followEdits);

document.addEventListener("input", ({ target }) => {
  if (target.matches("[data-slide]")) {
    document.querySelector("[data-compare]").style.setProperty("--at", `${target.value}%`);
  }
});

document.addEventListener("DOMContentLoaded", () => {
  followEdits();
  const dialog = document.getElementById("refine");
  if (!dialog) return;
  dialog.close();
  const form = dialog.querySelector("[data-refine-form]");
  if (!form) return;
  const refinement = new Refinement(dialog, form);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-refine]");
    if (!button) return;
    event.preventDefault();
    refinement.open(button);
  });
  const asked = () => location.hash === "#refine" && refinement.open();
  window.addEventListener("hashchange", asked);
  if (document.querySelector("[data-refused]")) refinement.open();
  else asked();
});
