// The pictures of an image: decoded when somebody looks at it, and a few of them kept.

const MOST_KEPT = 8;
const kept = new Map();

function fromBase64(text, type) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let index = 0; index < bytes.length; index += 1) bytes[index] = characters.charCodeAt(index);
  return createImageBitmap(new Blob([bytes], { type }), { colorSpaceConversion: "none" });
}

function scratch(width, height) {
  const canvas = element("canvas");
  Object.assign(canvas, { width, height });
  return canvas.getContext("2d", { willReadFrequently: true });
}

/** The grey values of a picture, one byte a pixel. */
async function greyValues(text) {
  const picture = await fromBase64(text, "image/png");
  const context = scratch(picture.width, picture.height);
  context.drawImage(picture, 0, 0);
  const { data, width, height } = context.getImageData(0, 0, picture.width, picture.height);
  const values = new Uint8Array(width * height);
  for (let index = 0; index < values.length; index += 1) values[index] = data[4 * index];
  return { values, width, height };
}

async function decode(dataset, index) {
  const stored = JSON.parse(byId(`pictures-${dataset}-${index}`).textContent);
  const [image, label, ...levels] = await Promise.all([
    fromBase64(stored.image, "image/jpeg"),
    greyValues(stored.label),
    ...stored.maps.map((map) => map && greyValues(map.levels).then(({ values }) => values)),
  ]);
  const context = scratch(label.width, label.height);
  context.drawImage(image, 0, 0, label.width, label.height);
  const colours = context.getImageData(0, 0, label.width, label.height).data;
  const maps = stored.maps.map((map, place) => map && { ...map, levels: levels[place] });
  return { image, label, colours, maps, edges: labelEdges(label) };
}

/** A promise of the pictures of an image. */
function picturesOf(dataset, index) {
  const key = `${dataset}-${index}`;
  const found = kept.get(key) ?? decode(dataset, index);
  kept.delete(key);
  kept.set(key, found);
  if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
  return found;
}

/** Pixels on the border of an anomaly, and those just outside it. */
function labelEdges({ values, width, height }) {
  const inside = [];
  const outside = new Set();
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = y * width + x;
      if (values[at] !== 1) continue;
      const around = [];
      if (x > 0) around.push(at - 1);
      if (x < width - 1) around.push(at + 1);
      if (y > 0) around.push(at - width);
      if (y < height - 1) around.push(at + width);
      const others = around.filter((place) => values[place] !== 1);
      if (others.length || around.length < 4) inside.push(at);
      others.forEach((place) => outside.add(place));
    }
  }
  return { inside, outside: [...outside] };
}
