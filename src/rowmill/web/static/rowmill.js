// Brings in the parts of the page that have changed, and tells of the partition that is chosen. All else needs no script.
"use strict";

const main = document.querySelector("main");

function bringIn(parts) {
  for (const [id, html] of Object.entries(parts)) {
    const part = document.getElementById(id);
    if (part === null) continue;
    if (part.contains(document.activeElement) && part.querySelector("form")) continue; // somebody is typing there
    const place = placeOf(document.activeElement, part);
    part.innerHTML = html;
    part.hidden = html === "";
    if (place !== null) part.querySelectorAll("a, [tabindex]")[place]?.focus();
  }
  mark();
}

function placeOf(element, part) {
  const place = [...part.querySelectorAll("a, [tabindex]")].indexOf(element);
  return place < 0 ? null : place;
}

if (main?.dataset.live) {
  const source = new EventSource(main.dataset.live);
  const lost = document.getElementById("lost");
  source.addEventListener("parts", (event) => bringIn(JSON.parse(event.data)));
  source.addEventListener("end", () => source.close());
  source.onopen = () => { lost.hidden = true; };
  source.onerror = () => { lost.hidden = false; }; // the browser goes on trying
}

document.addEventListener("submit", (event) => {
  const question = event.target.querySelector("[data-confirm]")?.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

const chooser = document.querySelector(".chooser");
const slider = chooser?.elements.partition;
let asked = 0;

function grid() { return document.querySelector("svg.grid"); }

function mark() {
  if (!slider?.dataset.used) return;
  const columns = Number(grid()?.dataset.columns);
  const chosen = grid()?.querySelector(".chosen");
  if (!chosen) return;
  chosen.setAttribute("x", slider.value % columns);
  chosen.setAttribute("y", Math.floor(slider.value / columns) - 0.5);
}

function choose(index) {
  slider.dataset.used = "yes";
  slider.value = index;
  mark();
  clearTimeout(asked);
  asked = setTimeout(tell, 80);
}

async function tell() {
  const index = slider.value;
  const answer = await fetch(`${chooser.getAttribute("action")}/${index}/line`);
  const text = answer.ok ? await answer.text() : "";
  if (index !== slider.value) return;
  document.getElementById("chosen").textContent = text;
  slider.setAttribute("aria-valuetext", text);
}

function under(event) {
  const box = grid().viewBox.baseVal;
  const shown = grid().getBoundingClientRect();
  const columns = Number(grid().dataset.columns);
  const x = Math.floor(box.x + (event.clientX - shown.left) / shown.width * box.width);
  const y = Math.floor(box.y + (event.clientY - shown.top) / shown.height * box.height + 0.5);
  const index = y * columns + x;
  return x >= 0 && x < columns && y >= 0 && index <= Number(slider.max) ? index : null;
}

if (slider) {
  slider.addEventListener("input", () => choose(slider.value));
  slider.addEventListener("keydown", (event) => {
    const rows = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!rows) return;
    event.preventDefault();
    const index = Number(slider.value) + rows * Number(grid().dataset.columns);
    if (index >= 0 && index <= Number(slider.max)) choose(index);
  });
  const section = document.getElementById("partitions");
  section.addEventListener("pointermove", (event) => {
    const index = event.target.closest("svg.grid") ? under(event) : null;
    if (index !== null && index !== Number(slider.value)) choose(index);
  });
  section.addEventListener("click", (event) => {
    const index = event.target.closest("svg.grid") ? under(event) : null;
    if (index === null) return;
    choose(index);
    if (event.pointerType !== "touch") chooser.requestSubmit();
  });
}
