"use strict";
// Draws with the network, beside the page, which so never stalls.

let facts;
let mapping;
let model; // the synthesis as ONNX, until it has been tried on a GPU
const synthesis = {}; // by engine

/** The numbers of numpy.random.RandomState(seed).randn(count): MT19937, then the polar method.
 *  Source: Matsumoto and Nishimura 1998; Marsaglia and Bray 1964. */
function randn(seed, count) {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let n = 1; n < 624; n += 1) {
    const last = state[n - 1] ^ (state[n - 1] >>> 30);
    state[n] = Math.imul(1812433253, last) + n;
  }
  let at = 624;
  const next = () => {
    if (at === 624) {
      for (let n = 0; n < 624; n += 1) {
        const y = (state[n] & 0x80000000) | (state[(n + 1) % 624] & 0x7fffffff);
        state[n] = state[(n + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      at = 0;
    }
    let y = state[at];
    at += 1;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
  const uniform = () => ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992;
  const made = new Float32Array(count);
  for (let n = 0; n < count; n += 2) {
    let x;
    let y;
    let square;
    do {
      x = 2 * uniform() - 1;
      y = 2 * uniform() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square === 0);
    const factor = Math.sqrt((-2 * Math.log(square)) / square);
    made[n] = factor * y;
    if (n + 1 < count) made[n + 1] = factor * x;
  }
  return made;
}

async function load({ files, gpu }) {
  importScripts(files.engine);
  ort.env.wasm.wasmPaths = { mjs: files.loader, wasm: files.program };
  ort.env.wasm.numThreads = 1; // more need headers that a static host does not send
  facts = await (await fetch(files.facts)).json();
  mapping = await session(files.mapping, "wasm");
  const bytes = new Uint8Array(await (await fetch(files.synthesis)).arrayBuffer());
  synthesis.wasm = await session(bytes, "wasm");
  if (gpu) model = bytes;
  return facts;
}

function session(from, engine) {
  const how = { executionProviders: [engine], logSeverityLevel: 3 }; // errors only
  return ort.InferenceSession.create(from, how);
}

const known = new Map(); // the last few w, by seed and labels

/** The w of a seed, truncated: [rows, w_dim]. */
async function latent(seed, labels, psi) {
  const key = `${seed} ${labels}`;
  if (!known.has(key)) {
    const given = { z: new ort.Tensor("float32", randn(seed, facts.z_dim), [1, facts.z_dim]) };
    const count = facts.classes.length;
    if (count) {
      const c = new Float32Array(count);
      for (const [n, weight] of labels) c[n] = weight;
      given.c = new ort.Tensor("float32", c, [1, count]);
    }
    const [w] = Object.values(await mapping.run(given));
    if (known.size > 8) known.delete(known.keys().next().value);
    known.set(key, w.data);
  }
  const w = known.get(key);
  const width = facts.w_dim;
  return w.map((value, n) => {
    if (n >= facts.truncated * width) return value;
    const average = facts.average[n % width];
    return average + psi * (value - average);
  });
}

/** The w of a wish: of one seed, or between two, then moved along directions. */
async function latentOf({ a, b, share, mix, labels, psi, edits }) {
  const one = await latent(a, labels, psi);
  const w = Float32Array.from(one);
  if (share > 0 || mix > 0) {
    const other = await latent(b, labels, psi);
    const fine = (facts.rows - mix) * facts.w_dim;
    for (let n = 0; n < w.length; n += 1) {
      w[n] = n >= fine ? other[n] : one[n] + share * (other[n] - one[n]);
    }
  }
  for (const [n, amount] of edits) {
    const { first, last, step } = facts.directions[n];
    for (let row = first; row <= last; row += 1) {
      for (let k = 0; k < facts.w_dim; k += 1) w[row * facts.w_dim + k] += amount * step[k];
    }
  }
  return w;
}

/** The picture as RGBA, rounded as sggen does. */
async function draw(wish) {
  const w = await latentOf(wish);
  const given = { w: new ort.Tensor("float32", w, [1, facts.rows, facts.w_dim]) };
  const [image] = Object.values(await synthesis[wish.engine].run(given));
  const { width, height, channels } = facts;
  const size = width * height;
  const pixels = new Uint8ClampedArray(4 * size).fill(255);
  for (let n = 0; n < size; n += 1) {
    for (let color = 0; color < 3; color += 1) {
      const level = image.data[(color % channels) * size + n] * 127.5 + 128;
      pixels[4 * n + color] = Math.floor(Math.min(255, Math.max(0, level)));
    }
  }
  return pixels;
}

/** The picture as the GPU draws it, and how many milliseconds each engine takes; null if it fails. */
async function attempt(wish) {
  const took = async (engine) => {
    const begun = performance.now();
    const pixels = await draw({ ...wish, engine });
    return [performance.now() - begun, pixels];
  };
  try {
    synthesis.webgpu = await session(model, "webgpu");
    model = undefined;
    await took("webgpu"); // its shaders are compiled
    const [webgpu, pixels] = await took("webgpu");
    const [wasm] = await took("wasm");
    return { pixels, webgpu, wasm };
  } catch {
    return null;
  }
}

const WORK = { load, draw, attempt };

onmessage = async ({ data }) => {
  try {
    postMessage({ [data.kind]: await WORK[data.kind](data) });
  } catch (why) {
    postMessage({ trouble: String(why.message ?? why) });
  }
};
