// Pages work without this file. It keeps a page with data-live up to date from its JSON twin, and shows the price of a
// limit as it is typed. Texts go into the page as text, never as markup.
"use strict";

const found = (data, path) =>
  path === "" ? data : path.split(".").reduce((inner, name) => (inner == null ? inner : inner[name]), data);

const shown = (value) =>
  value == null ? "" : typeof value === "number" ? value.toLocaleString("en-US") : String(value);

const isEmpty = (value) => value == null || value === "" || value === false || value.length === 0;

// A sentence in which commands stand between backticks.
const prose = (text) =>
  text.split("`").map((part, at) => {
    if (at % 2 === 0) return document.createTextNode(part);
    const code = document.createElement("code");
    code.textContent = part;
    return code;
  });

// Everything outside of lists; a list is filled from its template.
function fill(root, data) {
  for (const list of root.querySelectorAll("[data-list]")) {
    const items = found(data, list.dataset.list) || [];
    const template = list.querySelector("template");
    const news = JSON.stringify(items);
    if (list.dataset.shown === news) continue;
    list.dataset.shown = news;
    const rows = items.map((item) => {
      const row = template.content.cloneNode(true);
      for (const place of row.querySelectorAll("[data-text]")) place.textContent = shown(found(item, place.dataset.text));
      for (const place of row.querySelectorAll("[data-prose]")) {
        place.replaceChildren(...prose(shown(found(item, place.dataset.prose))));
      }
      for (const place of row.querySelectorAll("[data-mark]")) place.dataset.mark = shown(found(item, place.dataset.mark));
      return row;
    });
    list.replaceChildren(template, ...rows);
  }
  for (const place of root.querySelectorAll("[data-text]")) {
    if (place.closest("[data-list]")) continue;
    const text = shown(found(data, place.dataset.text));
    if (place.textContent !== text) place.textContent = text;
  }
  for (const place of root.querySelectorAll("[data-prose]")) {
    if (place.closest("[data-list]")) continue;
    const text = shown(found(data, place.dataset.prose));
    if (place.textContent !== text.replaceAll("`", "")) place.replaceChildren(...prose(text));
  }
  for (const place of root.querySelectorAll("[data-count]")) place.textContent = found(data, place.dataset.count).length;
  for (const place of root.querySelectorAll("[data-if]")) place.hidden = isEmpty(found(data, place.dataset.if));
  for (const place of root.querySelectorAll("[data-unless]")) place.hidden = !isEmpty(found(data, place.dataset.unless));
  for (const place of root.querySelectorAll("[data-on]")) {
    place.toggleAttribute("data-lit", Boolean(found(data, place.dataset.on)));
  }
  for (const place of root.querySelectorAll("[data-share]")) {
    place.style.setProperty("--share", found(data, place.dataset.share) ?? 0);
  }
  document.querySelector("[data-as-of]")?.classList.toggle("stale", Boolean(data.as_of?.stale));
}

async function follow(twin, seconds) {
  let pause = seconds * 1000;
  for (;;) {
    await new Promise((resume) => setTimeout(resume, pause));
    if (document.hidden) continue;
    const began = performance.now();
    try {
      const answer = await fetch(twin, { headers: { Accept: "application/json" }, cache: "no-store" });
      if (answer.ok) {
        const data = await answer.json();
        fill(document, data);
        document.dispatchEvent(new CustomEvent("studio:data", { detail: data }));
      }
    } catch {
      const place = document.querySelector("[data-as-of] [data-text]");
      if (place) place.textContent = "The studio does not answer. Is it still running?";
    }
    // A page that takes long to read is asked for less often: a reader keeps a run from writing.
    pause = Math.max(seconds * 1000, Math.min((performance.now() - began) * 10, 15000));
  }
}

const dollars = (value) =>
  value === 0 ? "0.00" : value < 0.0001 ? "<0.0001" : value >= 1
    ? value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })
    : value.toFixed(4);

// The price of the limit as it is typed; and, while nobody has typed, the suggested limit as it changes.
function askForRefinement(field) {
  const place = document.getElementById("price");
  const button = field.form.querySelector("button");
  field.addEventListener("input", () => {
    const number = Number(field.value);
    const each = Number(field.dataset.eachUsd);
    if (!each || !Number.isInteger(number) || number < 1) return;
    delete place.dataset.prose;
    place.textContent =
      `About ${dollars(number * each)} USD for ${number.toLocaleString("en-US")} ` +
      `${number === 1 ? "palette" : "palettes"}, ${dollars(each)} each.`;
  });
  document.addEventListener("studio:data", ({ detail: { refinable } }) => {
    field.dataset.eachUsd = refinable.each_usd ?? "";
    field.max = Math.max(1, refinable.palettes);
    button.disabled = refinable.palettes === 0 || refinable.impossible !== null;
    if (field.value === field.defaultValue) field.value = field.defaultValue = refinable.limit;
  });
}

document.addEventListener("DOMContentLoaded", () => {
  const { live, every } = document.body.dataset;
  if (live) follow(live, Number(every));
  for (const field of document.querySelectorAll("[data-each-usd]")) askForRefinement(field);
});

// ---- New run and Prompts ----
// The bars of a run are filled from its JSON twin; a key presses the button that names it.
document.addEventListener("studio:data", ({ detail }) => {
  for (const list of document.querySelectorAll("[data-stages]")) {
    list.querySelectorAll("[role=progressbar]").forEach((bar, place) => {
      const stage = detail.stages[place];
      bar.setAttribute("aria-label", stage.name);
      bar.setAttribute("aria-valuemax", stage.of);
      bar.setAttribute("aria-valuenow", stage.done);
      bar.firstElementChild.style.setProperty("--share", stage.share);
    });
  }
  for (const place of document.querySelectorAll("[data-state]")) place.closest(".stage").dataset.mark = detail.state;
  showEnds();
});

// A log shows its end, unless somebody reads further up.
const showEnds = () => {
  for (const log of document.querySelectorAll("[data-tail]")) {
    if (log.dataset.tail === "" || Number(log.dataset.tail) === log.scrollTop) log.scrollTop = log.scrollHeight;
    log.dataset.tail = log.scrollTop;
  }
};
document.addEventListener("DOMContentLoaded", showEnds);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.closest("input, select, textarea, [contenteditable]")) return;
  const button = document.querySelector(`button[data-key="${CSS.escape(event.key)}"]`);
  if (button) button.click();
});

// ---- Chorus ----
// Two works are zoomed and moved together. When a run has changed, the grid is taken anew from the page.
document.addEventListener("DOMContentLoaded", () => {
  const zoom = document.querySelector("[data-zoom]");
  if (!zoom) return;
  const panes = [...document.querySelectorAll(".side-by-side .pane")];
  zoom.closest("label").hidden = false;
  zoom.addEventListener("input", () => {
    for (const pane of panes) pane.style.setProperty("--zoom", zoom.value);
  });
  for (const pane of panes) {
    pane.addEventListener("scroll", () => {
      for (const other of panes) {
        if (other === pane) continue;
        other.scrollLeft = pane.scrollLeft;
        other.scrollTop = pane.scrollTop;
      }
    });
  }
});

document.addEventListener("studio:data", async ({ detail }) => {
  const part = document.querySelector("[data-live-part]");
  if (!part || !detail.runs) return;
  const now = Object.fromEntries(detail.runs.map((run) => [run.run_id, run.status]));
  const cells = [...part.querySelectorAll("[data-run]")];
  if (cells.every((cell) => now[cell.dataset.run] === cell.dataset.status)) return;
  const answer = await fetch(location.href, { cache: "no-store" });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("[data-live-part]");
  if (fresh) part.replaceChildren(...fresh.childNodes);
});

// ---- Knowledge ----
// A part that is more than texts is taken anew from the page when its version has changed. The focus stays in it.
document.addEventListener("studio:data", ({ detail }) => {
  const part = document.querySelector("[data-live-version]");
  if (part && detail.version && part.dataset.liveVersion !== detail.version) renew();
});

async function renew() {
  const part = document.querySelector("[data-live-version]");
  const answer = await fetch(location.pathname + location.search, { cache: "no-store" });
  if (!part || !answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("[data-live-version]");
  if (!fresh) return;
  const reachable = () => [...part.querySelectorAll("a, button, [tabindex]")];
  const place = reachable().indexOf(document.activeElement);
  const down = part.querySelector(".coverage-scroll")?.scrollTop;
  part.dataset.liveVersion = fresh.dataset.liveVersion;
  part.replaceChildren(...fresh.childNodes);
  if (place >= 0) reachable()[place]?.focus({ preventScroll: true });
  if (down) part.querySelector(".coverage-scroll").scrollTop = down;
  document.dispatchEvent(new CustomEvent("studio:renewed"));
}
