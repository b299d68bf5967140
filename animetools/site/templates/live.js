"use strict";
{% include "faces.js" %}
{% include "slider.js" %}
{% include "tags.js" %}
{% include "png.js" %}

const PARTS = document.querySelector("main").dataset;
const FILES = JSON.parse(PARTS.live);
const MOST = 2 ** 32 - 1; // the largest seed
const STEP = 3000; // milliseconds from face to face of a walk
const SPREADS = 10; // to which an edit goes, as far as pictures of most networks still have faces
const CLOSE = 2; // grey levels between the pictures of two engines
const address = ({ name }) => new URL(name, location.href).href;

const canvas = $("canvas");
const edits = []; // sliders, in the order of facts.directions
let gpu = false; // whether this browser may compute on a GPU
let tried = false; // whether it has
let engine = "wasm"; // that draws, or "webgpu"
let worker;
let facts;
let busy = false;
let wanted = null;
let drawn = null; // what the canvas shows
let going = false;
let begun = 0;

/** Look for a GPU before the page says how much it loads: what computes there is larger. */
async function look() {
  if (!navigator.gpu || !WebAssembly.Suspending) return;
  const found = await navigator.gpu.requestAdapter().catch(() => null);
  if (found && !found.info.isFallbackAdapter && !worker) use(true); // not one in software
}

function use(card) {
  gpu = card;
  for (const each of document.querySelectorAll(".size")) {
    each.textContent = gpu ? PARTS.gpuSize : PARTS.size;
  }
}

function load() {
  $("load").disabled = true;
  say("Loading ...");
  worker?.terminate(); // one that could not load
  worker = new Worker(PARTS.worker);
  worker.onmessage = ({ data }) => hear(data);
  worker.onerror = () => hear({ trouble: "the engine did not load" });
  const places = {};
  for (const part of ["mapping", "synthesis", "facts", "engine", "loader", "program"]) {
    places[part] = address((gpu && FILES[`gpu_${part}`]) || FILES[part]);
  }
  worker.postMessage({ kind: "load", files: places, gpu });
}

function hear(message) {
  busy = false;
  if (message.trouble) {
    trouble(message.trouble);
  } else if (message.load) {
    begin(message.load);
  } else if ("attempt" in message) {
    choose(message.attempt);
  } else {
    paint(message.draw);
    if (gpu && !tried) {
      tried = true;
      busy = true;
      worker.postMessage({ ...drawn, kind: "attempt" });
    }
  }
  if (!busy && wanted) ask(wanted);
}

/** Go on without the GPU if it is what fails. */
function trouble(why) {
  if (gpu && !facts) {
    use(false);
    load();
  } else if (engine === "webgpu") {
    engine = "wasm";
    ask(wish());
  } else {
    say(`It does not work here: ${why}`);
    $("load").disabled = false;
  }
}

/** Draw on the GPU from now on if it has drawn the same picture, and faster. */
function choose(attempt) {
  if (!attempt) return;
  const shown = canvas.getContext("2d").getImageData(0, 0, facts.width, facts.height).data;
  const isSame = shown.every((level, n) => Math.abs(level - attempt.pixels[n]) <= CLOSE);
  if (isSame && attempt.webgpu < attempt.wasm) engine = "webgpu";
}

function say(text) {
  $("state").textContent = text;
}

function begin(loaded) {
  facts = loaded;
  canvas.width = facts.width;
  canvas.height = facts.height;
  $("mix").max = facts.rows;
  $("psi").value = facts.psi;
  for (const [n, { name }] of facts.directions.entries()) {
    const line = document.createElement("p");
    edits.push(sliderOf(line, `edit${n}`, name, { min: -SPREADS, max: SPREADS, step: 0.1 }));
    edits[n].value = 0;
    $("editing").append(line);
  }
  $("editing").hidden = !edits.length;
  $("tagging").hidden = !facts.classes.length;
  $("tag").placeholder = `Add a tag, such as ${facts.classes[0]}:0.5`;
  for (const n of facts.first) put(n, 1); // those of one class, or of an image it learned from
  $("before").hidden = true;
  $("poster").hidden = true;
  $("controls").hidden = false;
  $("bar").hidden = false;
  for (const id of ["another", "stop", "save"]) $(id).disabled = false;
  say("");
  $("a").value = chance(1e6);
  $("b").value = chance(1e6);
  draw();
}

/** What the controls say. */
function wish() {
  const number = (id) => Number($(id).value);
  const seed = (id) => Math.min(MOST, Math.max(0, Math.floor(number(id))));
  return {
    kind: "draw",
    engine,
    a: seed("a"),
    b: seed("b"),
    share: number("share"),
    mix: number("mix"),
    psi: number("psi"),
    labels: labels(),
    edits: edits.map((slider, n) => [n, Number(slider.value)]).filter(([, amount]) => amount),
  };
}

function draw() {
  for (const slider of $("controls").querySelectorAll("input[type=range]")) show(slider);
  ask(wish());
}

/** Have this drawn; while the worker draws, only the last wish is kept. */
function ask(now) {
  wanted = busy ? now : null;
  if (busy) return;
  busy = true;
  drawn = now;
  worker.postMessage(now);
}

function paint(pixels) {
  const plane = canvas.getContext("2d", { willReadFrequently: true }); // it takes pixels only
  plane.putImageData(new ImageData(pixels, facts.width, facts.height), 0, 0);
  canvas.setAttribute("aria-label", `A drawn face of seed ${drawn.a}`);
}

/** A walk: from the first seed to the other, then on to a third. */
function frame(now) {
  if (!going) return;
  requestAnimationFrame(frame);
  let share = (now - begun) / STEP;
  if (share >= 1) {
    begun = now;
    share = 0;
    $("a").value = $("b").value;
    $("b").value = chance(1e6);
  }
  $("share").value = share;
  draw();
}

/** Where the picture comes from, in the words of sggen and sgedit. */
function origin() {
  const { a, b, share, mix, psi, labels, edits } = drawn;
  const edit = edits.map(([n, amount]) => `${facts.directions[n].name}=${amount}`).join();
  const record = edit ? { of: a, edit } : { seed: a }; // a seed alone gives the picture without
  Object.assign(record, { psi, network: facts.network, sha256: facts.sha256 });
  if (share > 0 || mix > 0) Object.assign(record, { other_seed: b, share, fine_rows: mix });
  if (facts.classes.length) Object.assign(record, labelsInRecord(labels));
  return record;
}

async function save() {
  const record = origin();
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(described(new Uint8Array(await blob.arrayBuffer()), record));
  link.download = `seed${drawn.a}.png`;
  link.click();
  URL.revokeObjectURL(link.href);
}

$("load").addEventListener("click", load);
$("story").addEventListener("submit", (event) => event.preventDefault());
$("story").addEventListener("input", (event) => facts && event.target !== $("tag") && draw());
$("story").addEventListener("change", () => {
  const { a, b } = wish(); // not what was typed, if that is no seed
  $("a").value = a;
  $("b").value = b;
});
for (const [button, field] of [["randoma", "a"], ["randomb", "b"], ["another", "a"]]) {
  $(button).addEventListener("click", () => {
    $(field).value = chance(1e6);
    draw();
  });
}
$("unedited").addEventListener("click", () => {
  for (const slider of edits) slider.value = 0;
  draw();
});
stopper($("stop"), false, (now) => {
  going = now;
  begun = performance.now() - $("share").value * STEP;
  if (going) requestAnimationFrame(frame);
});
$("save").addEventListener("click", save);
keys({ n: $("another"), s: $("stop"), d: $("save") });
if (location.protocol === "file:") {
  $("load").disabled = true;
  say("A browser lets a network draw only on a page from a web server: copy the folder to one.");
} else {
  look();
}
