/** A PNG with a text chunk that holds facts, as sggen writes them.
 *  Source: PNG third edition, sections 5.3 (chunks) and 11.3.3 (text). */
function described(png, facts) {
  const head = 33; // signature and IHDR
  const escaped = (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`;
  const ascii = JSON.stringify(facts).replace(/[^ -~]/g, escaped);
  const parts = [png.slice(0, head), chunk("tEXt", `Description\0${ascii}`), png.slice(head)];
  return new Blob(parts, { type: "image/png" });
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
