"use strict";
{% include "faces.js" %}

// The wall is as high as a browser scrolls well. Near its end both the place and the rows jump back
// by as much, which nobody sees: so it has no end. Only rows near the window exist, and those that
// leave it come in again on the other side.
const HEIGHT = 1_000_000; // pixels
const EDGE = 50_000;
const MARGIN = 800; // pixels above and below the window that are ready
const SPEEDS = [15, 30, 60, 120, 240]; // pixels a second

const wall = $("wall");
const rows = [];
let columns = 1;
let side = 1;
let width = 0; // of the window that the rows were made for
let base = 0; // number of the row at the top of the wall
let speed = 1;
let going = !STILL;
let before = 0;
let owed = 0; // pixels that a window does not scroll by, which takes whole ones only

// A step through all faces that comes to each one before it begins again.
let step = Math.max(1, Math.floor(COUNT * 0.618));
const common = (a, b) => (b ? common(b, a % b) : a);
while (common(step, COUNT) > 1) step += 1;
const face = (k) => Number((BigInt(k) * BigInt(step)) % BigInt(COUNT));

function lay() {
  width = innerWidth;
  const target = Math.min(280, Math.max(96, innerWidth / 8));
  columns = Math.max(3, Math.round(innerWidth / target));
  side = Math.ceil(document.documentElement.clientWidth / columns);
  wall.style.height = `${HEIGHT}px`;
  wall.replaceChildren();
  rows.length = 0;
  const height = Math.max(innerHeight, screen.height);
  const count = Math.ceil((height + 2 * MARGIN) / side) + 1;
  for (let n = 0; n < count; n += 1) {
    const row = document.createElement("div");
    row.className = "row";
    row.style.gridTemplateColumns = `repeat(${columns}, ${side}px)`;
    for (let column = 0; column < columns; column += 1) {
      const img = new Image(side, side);
      img.decoding = "async";
      img.onload = () => img.classList.add("there");
      row.append(img);
    }
    rows.push({ element: row, number: -1, top: -1 });
    wall.append(row);
  }
  fill();
}

/** Put the rows where the window is. */
function fill() {
  const first = Math.max(0, Math.floor((scrollY - wall.offsetTop - MARGIN) / side));
  for (let place = first; place < first + rows.length; place += 1) {
    const number = base + place;
    const row = rows[number % rows.length];
    if (row.number !== number) {
      row.number = number;
      [...row.element.children].forEach((img, column) => {
        const n = face(number * columns + column);
        img.classList.remove("there");
        img.alt = "A drawn face that does not exist";
        portray(img, n, `${side}px`);
      });
    }
    if (row.top !== place * side) {
      row.top = place * side;
      row.element.style.transform = `translateY(${row.top}px)`;
    }
  }
}

/** Jump away from the ends of the wall, with all that is on it. */
function center() {
  const near = scrollY > HEIGHT - EDGE || (scrollY < EDGE && base > 0);
  if (!near) return;
  const jump = Math.max(-base, Math.round((scrollY - HEIGHT / 2) / side));
  base += jump;
  scrollTo({ top: scrollY - jump * side, behavior: "instant" });
}

function frame(now) {
  if (going) requestAnimationFrame(frame);
  owed += (SPEEDS[speed] * Math.min(100, now - before)) / 1000;
  before = now;
  const whole = Math.floor(owed);
  owed -= whole;
  if (whole) scrollBy({ top: whole, behavior: "instant" });
  wall.style.transform = `translateY(${-owed}px)`;
}

addEventListener("scroll", () => {
  center();
  fill();
});
// A phone's window grows and shrinks with the bars of its browser while it is scrolled.
addEventListener("resize", () => (innerWidth === width ? fill() : lay()));
stopper($("stop"), going, (now) => {
  going = now;
  before = performance.now();
  if (going) requestAnimationFrame(frame);
});
$("faster").addEventListener("click", () => (speed = Math.min(SPEEDS.length - 1, speed + 1)));
$("slower").addEventListener("click", () => (speed = Math.max(0, speed - 1)));
keys({ s: $("stop"), "+": $("faster"), "=": $("faster"), "-": $("slower") });
lay();
