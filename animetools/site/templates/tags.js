// Tags of a conditional network: found by typing, then each is a chip with its weight.

const FOUND = 8; // in the list below the field
const tagged = new Map(); // by number of a tag: the slider of its weight

/** The same for all ways to type a name. */
const spelled = (name) => name.trim().replace(/\s+/g, "_").toLowerCase();

/** What is typed, hat,long hair:0.5, as [number, weight].
 *  Throws an Error that says which word is no tag. */
function tagsIn(text) {
  return text.split(",").map((part) => {
    const word = part.trim();
    const [, name, weight] = /^(.+):(\d{0,3}\.?\d{1,9})$/.exec(word) ?? [];
    const whole = numberOf(word);
    const n = whole < 0 && name ? numberOf(name) : whole;
    if (n < 0) throw new Error(`There is no tag ${word}.`);
    if (whole < 0 && weight > 1) throw new Error(`The weight of ${name} is from 0 to 1.`);
    return [n, whole < 0 ? Number(weight) : 1];
  });
}

/** The number of the tag of this name, of two that are spelled alike the very one; -1 for none. */
function numberOf(name) {
  const exact = facts.classes.indexOf(name);
  if (exact >= 0) return exact;
  return facts.classes.findIndex((other) => spelled(other) === spelled(name));
}

/** The tags that may be meant: those that begin with what is typed, then others with it inside. */
function fitting(text) {
  const word = spelled(text);
  const places = facts.classes.map((name, n) => [spelled(name).indexOf(word), n]);
  const free = places.filter(([at, n]) => at >= 0 && !tagged.has(n));
  return free.sort((one, other) => Math.min(one[0], 1) - Math.min(other[0], 1)).slice(0, FOUND);
}

/** Show the list of tags that fit; none of them is active yet. */
function suggest() {
  const options = fitting($("tag").value).map(([, n]) => {
    const option = document.createElement("li");
    Object.assign(option, { id: `tag${n}`, role: "option", textContent: facts.classes[n] });
    option.setAttribute("aria-selected", false);
    option.dataset.n = n;
    return option;
  });
  $("found").replaceChildren(...options);
  unfold(options.length > 0);
}

function unfold(open) {
  $("found").hidden = !open;
  $("tag").setAttribute("aria-expanded", open);
  $("tag").removeAttribute("aria-activedescendant");
}

const active = () => $("found").querySelector("[aria-selected=true]");

/** Make the next tag of the list active, or the one before it. */
function go(way) {
  if ($("found").hidden) suggest();
  const options = [...$("found").children];
  if (!options.length) return;
  const at = options.indexOf(active());
  const next = options.at((at < 0 ? Math.min(way, 0) : at + way) % options.length);
  active()?.setAttribute("aria-selected", false);
  next.setAttribute("aria-selected", true);
  $("tag").setAttribute("aria-activedescendant", next.id);
  next.scrollIntoView({ block: "nearest" });
}

/** Choose what is active in the list, or else what is typed. */
function enter() {
  try {
    take(active() ? [[Number(active().dataset.n), 1]] : tagsIn($("tag").value));
  } catch (why) {
    say(why.message);
  }
}

/** Draw with these tags too; where a label is one class, a whole one takes the place of others. */
function take(found) {
  if (!facts.tags && found.every(([, weight]) => weight === 1)) [...tagged.keys()].forEach(drop);
  for (const [n, weight] of found) put(n, weight);
  say("");
  $("tag").value = "";
  unfold(false);
  draw();
}

/** Give a tag a weight, and a chip if it has none. */
function put(n, weight) {
  const name = facts.classes[n];
  if (!tagged.has(n)) {
    const chip = document.createElement("li");
    const slider = sliderOf(chip, `weight${n}`, name, { min: 0, max: 1, step: 0.01 });
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: "×" });
    button.setAttribute("aria-label", `Remove ${name}`);
    button.addEventListener("click", () => remove(n));
    chip.append(button);
    $("chips").append(chip);
    tagged.set(n, slider);
  }
  tagged.get(n).value = weight;
}

function drop(n) {
  tagged.get(n).parentElement.remove();
  tagged.delete(n);
}

/** Take a tag away; where a label is one class, not the last one. */
function remove(n) {
  if (!facts.tags && tagged.size === 1) {
    say("This network needs a class: choose another.");
    return;
  }
  drop(n);
  $("tag").focus();
  suggest();
  draw();
}

/** The tags as [number, weight], in order of their numbers. */
function labels() {
  return [...tagged].map(([n, slider]) => [n, Number(slider.value)]).sort(([a], [b]) => a - b);
}

/** Those that a record of sggen has: of one class its name, of several tags their weights too. */
function labelsInRecord(found) {
  const name = (n) => facts.classes[n];
  const there = found.filter(([, weight]) => weight > 0);
  if (!facts.tags && there.length === 1 && there[0][1] === 1) return { class: name(there[0][0]) };
  const record = { tags: there.map(([n]) => [name(n), "general", 1]) };
  if (there.every(([, weight]) => weight === 1)) return record;
  return { ...record, labels: Object.fromEntries(there.map(([n, w]) => [name(n), w])) };
}

$("tag").addEventListener("input", suggest);
$("tag").addEventListener("focus", suggest);
$("tag").addEventListener("blur", () => unfold(false));
$("tag").addEventListener("keydown", (event) => {
  const last = [...tagged.keys()].at(-1);
  const work = {
    ArrowDown: () => go(1),
    ArrowUp: () => go(-1),
    Enter: enter,
    Escape: () => unfold(false),
    ...(last !== undefined && !$("tag").value && { Backspace: () => remove(last) }),
  }[event.key];
  if (!work) return;
  event.preventDefault();
  work();
});
// Not a click: the field would lose the focus before it, and the list would close.
$("found").addEventListener("pointerdown", (event) => {
  event.preventDefault();
  const n = event.target.dataset.n;
  if (n !== undefined) take([[Number(n), 1]]);
});
