"use strict";
{% include "faces.js" %}

const EVERY = 700; // milliseconds between two changes
const SIZES = [72, 104, 150, 216, 320]; // pixels of a tile, about
const GAP = 4;

const wall = $("wall");
let size = innerWidth < 600 ? 1 : 2;
let timer = 0;
let columns = 1;

/** A face that no tile shows, if there are enough. */
function unseen() {
  const seen = new Set([...wall.children].map((tile) => tile.face));
  let n = chance(COUNT);
  for (let tries = 0; tries < 20 && seen.has(n); tries += 1) n = chance(COUNT);
  return n;
}

/** Another face in a tile, which fades in when it is there. */
function fill(tile) {
  const img = new Image();
  tile.face = unseen();
  img.alt = "A drawn face that does not exist";
  img.className = "tile";
  portray(img, tile.face, `${Math.ceil(innerWidth / columns)}px`);
  img.decode().then(
    () => tile.replaceChildren(img),
    () => {}, // a missing picture: the old one stays
  );
}

/** As many tiles as the window holds. */
function lay() {
  const room = innerWidth - 2 * GAP;
  columns = Math.max(2, Math.round(room / SIZES[size]));
  const side = room / columns;
  const height = innerHeight - wall.offsetTop - document.querySelector(".bar").offsetHeight;
  const rows = Math.max(2, Math.floor(height / side));
  wall.style.gridTemplateColumns = `repeat(${columns}, 1fr)`;
  while (wall.children.length > columns * rows) wall.lastElementChild.remove();
  while (wall.children.length < columns * rows) {
    const tile = document.createElement("div");
    wall.append(tile);
    fill(tile);
  }
}

function change() {
  if (!document.hidden) fill(wall.children[chance(wall.children.length)]);
}

function resize(step) {
  size = Math.min(SIZES.length - 1, Math.max(0, size + step));
  lay();
}

$("another").addEventListener("click", () => [...wall.children].forEach(fill));
$("larger").addEventListener("click", () => resize(1));
$("smaller").addEventListener("click", () => resize(-1));
stopper($("stop"), !STILL, (now) => {
  clearInterval(timer);
  if (now) timer = setInterval(change, EVERY);
});
keys({ n: $("another"), s: $("stop"), "+": $("larger"), "=": $("larger"), "-": $("smaller") });
addEventListener("resize", lay);
lay();
