"use strict";
{% include "faces.js" %}

const SETS = Number(SITE.sets);
const SWEEP = 6000; // milliseconds from one end to the other

const slider = $("psi");
let steps = []; // [psi, image] in order of psi
let going = false;
let turn = 0;
let shown = -1;
let begun = 0;

/** The pictures of a set that are there, in order of psi. */
async function load(n) {
  const { steps: listed = [] } = await told("psi", n);
  const loaded = await Promise.all(
    listed.map(async ([psi, number]) => {
      const img = new Image();
      portray(img, number, "(min-width: 56rem) 50vw, 100vw");
      try {
        await img.decode();
      } catch {
        return null;
      }
      return { psi, number, img };
    }),
  );
  return loaded.filter(Boolean);
}

async function another() {
  const mine = (turn += 1);
  let n = chance(SETS);
  if (n === shown && SETS > 1) n = (n + 1) % SETS;
  const found = await load(n);
  if (mine !== turn || !found.length) return;
  const at = steps.length ? Number(slider.value) : NaN;
  shown = n;
  steps = found;
  slider.min = steps[0].psi;
  slider.max = steps.at(-1).psi;
  slider.value = Number.isNaN(at) ? steps.at(-1).psi : at;
  $("stage").replaceChildren(...steps.map(({ img }) => img));
  draw();
  const { seed } = await told("pairs", steps[0].number);
  if (mine === turn) $("seed").textContent = seed === undefined ? "" : `This is seed ${seed}.`;
}

/** Show the pictures on both sides of psi, the upper one as opaque as psi is near to it. */
function draw() {
  if (!steps.length) return;
  const psi = Number(slider.value);
  const above = Math.max(0, steps.findIndex((step) => step.psi >= psi));
  const below = Math.max(0, above - 1);
  const gap = steps[above].psi - steps[below].psi;
  const share = gap ? (psi - steps[below].psi) / gap : 1;
  steps.forEach(({ img }, n) => {
    img.style.opacity = n === above ? share : Number(n === below);
    img.alt = n === (share > 0.5 ? above : below) ? `A drawn face at psi ${psi}` : "";
  });
  $("value").textContent = psi.toFixed(2);
}

function frame(now) {
  if (!going) return;
  requestAnimationFrame(frame);
  const phase = ((now - begun) / SWEEP) % 2;
  const share = phase < 1 ? phase : 2 - phase;
  slider.value = Number(slider.min) + share * (slider.max - slider.min);
  draw();
}

slider.addEventListener("input", () => {
  if (going) $("stop").click();
  draw();
});
// Arrows move the slider also when it does not have the focus.
addEventListener("keydown", (event) => {
  const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!way || event.target === slider || event.ctrlKey || event.altKey || event.metaKey) return;
  slider.stepUp(way);
  slider.dispatchEvent(new Event("input"));
});
$("another").addEventListener("click", another);
stopper($("stop"), !STILL, (now) => {
  going = now;
  const part = (slider.value - slider.min) / (slider.max - slider.min || 1);
  begun = performance.now() - part * SWEEP;
  if (going) requestAnimationFrame(frame);
});
keys({ n: $("another"), s: $("stop") });
another();
