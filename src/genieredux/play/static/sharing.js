// A play as a link: its JSON, compressed where the browser can, in the address after #play=. Nothing of it is sent to a
// server until the page asks for the replay.

function toText(bytes) { return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, ""); }

function toBytes(text) { return Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0)); }

async function through(stream, bytes) {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
}

export async function toLink(replay) {
  const plain = new TextEncoder().encode(JSON.stringify(replay));
  const packed = window.CompressionStream ? await through(new CompressionStream("deflate-raw"), plain) : null;
  const text = packed ? `z${toText(packed)}` : `j${toText(plain)}`;
  return `${location.origin}${location.pathname}#play=${text}`;
}

// The replay in an address, or null. Throws for one that is damaged.
export async function fromHash(hash) {
  const found = /[#&]play=([zj])([\w-]+)/.exec(hash);
  if (!found) return null;
  const bytes = toBytes(found[2]);
  const plain = found[1] === "z" ? await through(new DecompressionStream("deflate-raw"), bytes) : bytes;
  return JSON.parse(new TextDecoder().decode(plain));
}

export function takeToken() {
  const found = /[#&]token=([\w-]+)/.exec(location.hash);
  if (!found) return;
  sessionStorage.setItem("token", found[1]);
  history.replaceState(null, "", location.pathname + location.hash.replace(/[#&]token=[\w-]+/, ""));
}

export function download(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// Somebody's picture as the world's frames are: size x size RGB bytes, padded to a square with black. It is read here,
// so that what is sent is pixels and never a file.
export async function pixelsOf(file, size) {
  const bitmap = await createImageBitmap(file);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const context = canvas.getContext("2d");
  const scale = size / Math.max(bitmap.width, bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  context.fillStyle = "#000";
  context.fillRect(0, 0, size, size);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, (size - width) / 2, (size - height) / 2, width, height);
  const rgba = context.getImageData(0, 0, size, size).data;
  const rgb = new Uint8Array(size * size * 3);
  for (let i = 0, j = 0; j < rgb.length; i += 4, j += 3) rgb.set(rgba.subarray(i, i + 3), j);
  return rgb;
}
