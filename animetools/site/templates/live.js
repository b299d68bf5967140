"use strict";
{% include "faces.js" %}

const PARTS = document.querySelector("main").dataset;
const FILES = JSON.parse(PARTS.live);
const MOST = 2 ** 32 - 1; // the largest seed
const STEP = 3000; // milliseconds from face to face of a walk
const address = (name) => new URL(name, location.href).href;

const canvas = $("canvas");
let worker;
let facts;
let busy = false;
let wanted = null;
let drawn = null; // what the canvas shows
let sent = 0;
let took = 0; // milliseconds
let going = false;
let begun = 0;

function load() {
  $("load").disabled = true;
  say("Loading ...");
  worker?.terminate(); // one that could not load
  worker = new Worker(address(PARTS.worker));
  worker.onmessage = ({ data }) => hear(data);
  worker.onerror = () => hear({ trouble: "the engine did not load" });
  const places = Object.entries(FILES).map(([part, { name }]) => [part, address(name)]);
  worker.postMessage({ kind: "load", files: Object.fromEntries(places) });
}

function hear(message) {
  if (message.trouble) {
    busy = false;
    say(`It does not work here: ${message.trouble}`);
    $("load").disabled = false;
  } else if (message.load) {
    begin(message.load);
  } else {
    took = performance.now() - sent;
    paint(message.draw);
    busy = false;
    if (wanted) ask(wanted);
  }
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
  facts.classes.forEach((name, n) => $("class").append(new Option(name, n)));
  $("classes").hidden = !facts.classes.length;
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
    a: seed("a"),
    b: seed("b"),
    share: number("share"),
    mix: number("mix"),
    psi: number("psi"),
    label: facts.classes.length ? number("class") : -1,
  };
}

function draw() {
  $("psivalue").textContent = Number($("psi").value).toFixed(2);
  $("sharevalue").textContent = `${Math.round($("share").value * 100)}%`;
  $("mixvalue").textContent = $("mix").value;
  ask(wish());
}

/** Have this drawn; while the worker draws, only the last wish is kept. */
function ask(now) {
  wanted = busy ? now : null;
  if (busy) return;
  busy = true;
  drawn = now;
  sent = performance.now();
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

/** A PNG with a text chunk that says where it comes from.
 *  Source: PNG third edition, sections 5.3 (chunks) and 11.3.3 (text). */
async function save() {
  const { a, b, share, mix, psi, label } = drawn;
  const origin = { seed: a, psi, network: facts.network, sha256: facts.sha256 };
  if (share > 0 || mix > 0) Object.assign(origin, { other_seed: b, share, fine_rows: mix });
  if (label >= 0) origin.class = facts.classes[label];
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  const png = new Uint8Array(await blob.arrayBuffer());
  const head = 33; // signature and IHDR
  const ascii = JSON.stringify(origin).replace(/[^ -~]/g, "?");
  const parts = [png.slice(0, head), chunk("tEXt", `Description\0${ascii}`), png.slice(head)];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type: "image/png" }));
  link.download = `seed${a}.png`;
  link.click();
  URL.revokeObjectURL(link.href);
}

function chunk(kind, text) {
  const body = new TextEncoder().encode(kind + text);
  const made = new Uint8Array(body.length + 8);
  const view = new DataView(made.buffer);
  view.setUint32(0, body.length - 4);
  made.set(body, 4);
  let check = ~0;
  for (const byte of body) {
    check ^= byte;
    for (let bit = 0; bit < 8; bit += 1) check = (check >>> 1) ^ (check & 1 ? 0xedb88320 : 0);
  }
  view.setUint32(made.length - 4, ~check);
  return made;
}

$("load").addEventListener("click", load);
$("story").addEventListener("submit", (event) => event.preventDefault());
$("story").addEventListener("input", () => facts && draw());
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
}
