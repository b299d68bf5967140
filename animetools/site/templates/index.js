"use strict";
{% include "faces.js" %}

const EVERY = 15000; // milliseconds
const TRIES = 60; // before a site counts as empty

let going = true;
let timer = 0;
let turn = 0;
let shown = -1;
let next = load();

/** A face that is complete with its text; another one where its picture is missing. */
async function load() {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const n = chance(COUNT);
    if (n === shown && COUNT > 1) continue;
    const img = new Image();
    portray(img, n, "(min-width: 56rem) 50vw, 100vw");
    const facts = told("pairs", n);
    try {
      await img.decode();
      return { n, img, facts: await facts };
    } catch {
      await facts;
    }
  }
  return null;
}

async function another() {
  const mine = (turn += 1);
  clearTimeout(timer);
  const face = await next;
  if (mine !== turn) return; // the button was pressed again meanwhile
  if (face) show(face);
  else if (shown < 0) $("text").textContent = "The pictures are not to be had just now.";
  next = load();
  wait();
}

function show({ n, img, facts }) {
  shown = n;
  img.alt = facts.title ? `Drawn face: ${facts.title}` : "A drawn face that does not exist";
  $("stage").replaceChildren(img);
  $("name").textContent = facts.title ?? "";
  $("text").textContent = facts.text ?? "";
  document.body.classList.toggle("silent", !facts.text);
  const rows = ["seed", "psi", "class", "edit", "network"].filter((name) => name in facts);
  $("facts").replaceChildren(...rows.flatMap((name) => [cell("dt", name), cell("dd", facts[name])]));
  $("about").hidden = !rows.length;
}

function cell(kind, text) {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}

/** Begin to wait for the next face, and show how long it takes. */
function wait() {
  clearTimeout(timer);
  $("clock").getAnimations().forEach((old) => old.cancel());
  if (!going || document.hidden) return;
  timer = setTimeout(another, EVERY);
  const shrink = { transform: ["scaleX(1)", "scaleX(0)"] };
  if (!STILL) $("clock").animate(shrink, { duration: EVERY, fill: "forwards" });
}

$("another").addEventListener("click", another);
stopper($("stop"), true, (now) => {
  going = now;
  wait();
});
$("larger").addEventListener("click", () => {
  const large = document.body.classList.toggle("large");
  $("larger").setAttribute("aria-pressed", large);
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.body.classList.contains("large")) $("larger").click();
});
const table = { n: $("another"), arrowright: $("another"), s: $("stop"), l: $("larger") };
keys({ ...table, i: document.querySelector("summary") });
document.addEventListener("visibilitychange", wait);
another();
