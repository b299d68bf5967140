// What all pages share: where the files of a face are, how facts are loaded, buttons and keys.

const SITE = document.body.dataset;
const COUNT = Number(SITE.count);
const WIDTHS = SITE.widths.split(" ").filter(Boolean).map(Number);
const STILL = matchMedia("(prefers-reduced-motion: reduce)").matches;
const PER_FOLDER = 1000;

const $ = (id) => document.getElementById(id);
const chance = (count) => Math.floor(Math.random() * count);
const place = (folder, n, ending) => `${folder}/${Math.floor(n / PER_FOLDER)}/${n}.${ending}`;

/** Show face n in an image, which is as wide as `sizes` says. */
function portray(img, n, sizes) {
  if (WIDTHS.length) {
    const files = WIDTHS.map((w) => `${place(`images/${w}`, n, SITE.format)} ${w}w`);
    img.sizes = sizes;
    img.srcset = files.join(", ");
  } else {
    img.src = place("images", n, SITE.format);
  }
}

const asked = new Map(); // by script, what waits for it

/** Called by the scripts that hold the facts of a number. */
function tell(n, facts) {
  asked.get(document.currentScript)?.(facts);
}

/** The facts in a numbered script; none if it is missing. */
function told(folder, n) {
  return new Promise((resolve) => {
    const script = document.createElement("script");
    script.src = place(folder, n, "js");
    asked.set(script, resolve);
    script.onload = script.onerror = () => {
      asked.delete(script);
      script.remove();
      resolve({});
    };
    document.head.append(script);
  });
}

/** Have keys press buttons: {n: button}; a field for text takes letters itself. */
function keys(table) {
  addEventListener("keydown", (event) => {
    const isTyped = event.target.matches?.("[type=search]");
    if (event.ctrlKey || event.altKey || event.metaKey || isTyped) return;
    const button = table[event.key.toLowerCase()];
    if (!button) return;
    event.preventDefault();
    button.click();
  });
}

/** A button that stops what goes on and lets it go again; `change` hears which. */
function stopper(button, going, change) {
  const set = (now) => {
    going = now;
    button.textContent = going ? "Stop" : "Go";
    change(going);
  };
  button.addEventListener("click", () => set(!going));
  set(going);
}
