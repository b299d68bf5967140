"use strict";
{% include "faces.js" %}
{% include "slider.js" %}

const SETS = Number(SITE.sets);
const SWEEP = 6000; // milliseconds from one end to the other
const STEPS = [0.05, 0.01, 0.001]; // that a slider may have
const ENOUGH = 20; // steps from one end to the other

let fields = []; // psi, then edits, in which the pictures of a set differ
let steps = []; // { at, number }: where a picture is along each field, and which face it is
let sliders = []; // one for each field
let active = 0; // the number of the field that moves
let images = new Map(); // by number of a face: a promise of its image, or null if it is missing
let going = false;
let turn = 0; // the set that was asked for last
let drawing = 0; // the picture that was
let shown = -1;
let begun = 0;

async function another() {
  const mine = (turn += 1);
  let n = chance(SETS);
  if (n === shown && SETS > 1) n = (n + 1) % SETS;
  const found = await told("psi", n);
  if (mine !== turn || !found.fields) return; // it is missing, or of an older version
  const before = new Map(fields.map((name, k) => [name, sliders[k].value]));
  shown = n;
  fields = found.fields;
  steps = found.steps.map(([at, number]) => ({ at, number }));
  images = new Map();
  $("sliders").replaceChildren();
  sliders = fields.map((name, k) => made(name, k, before.get(name)));
  active = Math.max(0, fields.findIndex((_, k) => line(k).length > 1));
  $("psi").hidden = !fields.includes("psi");
  $("edit").hidden = fields.every((name) => name === "psi");
  await draw();
  const { seed } = await told("pairs", steps[0].number);
  if (shown === n) $("seed").textContent = seed === undefined ? "" : `This is seed ${seed}.`;
}

/** The largest step that stops at all values from min to max. */
function stepOver(values, min, max) {
  const isOn = (count) => Math.abs(count - Math.round(count)) < 1e-6;
  const fits = (step) =>
    (max - min) / step > ENOUGH - 1e-6 && values.every((value) => isOn((value - min) / step));
  return STEPS.find(fits) ?? STEPS.at(-1);
}

/** A slider over all of a field: it begins where it was, or at the whole face without an edit. */
function made(name, n, before) {
  const values = steps.map(({ at }) => at[n]);
  const [min, max] = [Math.min(...values), Math.max(...values)];
  const row = document.createElement("p");
  const label = name === "psi" ? "Psi" : name;
  const slider = sliderOf(row, `field${n}`, label, { min, max, step: stepOver(values, min, max) });
  slider.value = before ?? (name === "psi" ? max : 0);
  slider.addEventListener("input", () => {
    if (going) $("stop").click();
    active = n;
    draw();
  });
  $("sliders").append(row);
  return slider;
}

/** The pictures that differ in this field alone, in its order: of all such rows the nearest one. */
function line(n) {
  const rows = new Map();
  for (const step of steps) {
    const others = step.at.filter((_, k) => k !== n).join();
    rows.set(others, [...(rows.get(others) ?? []), step]);
  }
  const far = ([{ at }]) =>
    sliders.reduce((sum, { value, min, max }, k) => {
      return k === n ? sum : sum + Math.abs(at[k] - value) / (max - min);
    }, 0);
  const found = [...rows.values()].sort((a, b) => (b.length > 1) - (a.length > 1) || far(a) - far(b));
  return found[0].sort((a, b) => a.at[n] - b.at[n]);
}

function image({ number }) {
  if (!images.has(number)) {
    const img = new Image();
    portray(img, number, "(min-width: 56rem) 50vw, 100vw");
    images.set(number, img.decode().then(() => img, () => null));
  }
  return images.get(number);
}

/** Show the pictures on both sides of the slider, the upper one as opaque as it is near. */
async function draw() {
  if (!steps.length) return;
  const mine = (drawing += 1);
  const row = line(active);
  const loaded = await Promise.all(row.map(image));
  if (mine !== drawing) return;
  const there = row.map(({ at }, n) => ({ at: at[active], img: loaded[n] })).filter(({ img }) => img);
  if (!there.length) return;
  sliders.forEach((slider, k) => {
    if (k !== active) slider.value = row[0].at[k]; // where there are pictures
  });
  const slider = sliders[active];
  slider.value = Math.min(row.at(-1).at[active], Math.max(row[0].at[active], slider.value));
  const value = Math.min(there.at(-1).at, Math.max(there[0].at, slider.value));
  const above = there.findIndex(({ at }) => at >= value);
  const below = Math.max(0, above - 1);
  const gap = there[above].at - there[below].at;
  const share = gap ? (value - there[below].at) / gap : 1;
  const words = fields.map((name, k) => `${name} ${Number(sliders[k].value)}`).join(", ");
  there.forEach(({ img }, n) => {
    img.style.opacity = n === above ? share : Number(n === below);
    img.alt = n === (share > 0.5 ? above : below) ? `A drawn face at ${words}` : "";
  });
  const isShown = there.every(({ img }, n) => $("stage").children[n] === img);
  if (!isShown) $("stage").replaceChildren(...there.map(({ img }) => img));
  sliders.forEach(show);
}

function frame(now) {
  if (!going) return;
  requestAnimationFrame(frame);
  const phase = ((now - begun) / SWEEP) % 2;
  const share = phase < 1 ? phase : 2 - phase;
  const { min, max } = sliders[active] ?? { min: 0, max: 0 };
  if (sliders.length) sliders[active].value = Number(min) + share * (max - min);
  draw();
}

// Arrows move the slider also when it does not have the focus.
addEventListener("keydown", (event) => {
  const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const slider = sliders[active];
  const isOther = !way || !slider || event.target.matches?.("[type=range]");
  if (isOther || event.ctrlKey || event.altKey || event.metaKey) return;
  slider.stepUp(way);
  slider.dispatchEvent(new Event("input"));
});
$("another").addEventListener("click", another);
stopper($("stop"), !STILL, (now) => {
  going = now;
  const { value, min, max } = sliders[active] ?? { value: 0, min: 0, max: 0 };
  begun = performance.now() - ((value - min) / (max - min || 1)) * SWEEP;
  if (going) requestAnimationFrame(frame);
});
keys({ n: $("another"), s: $("stop") });
another();
