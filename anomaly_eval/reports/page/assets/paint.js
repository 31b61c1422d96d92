// Pixels: levels become colours, the mask above the threshold, and the outline of the labelled anomaly.

const ANOMALY = 1;
const VOID = 255;
const VOID_COLOUR = [150, 150, 150];
// Over no colour of the scale does it look like the grey of void.
const MASK_COLOUR = [0, 220, 255];
const MASK_SHARE = 0.7;
const OUTCOMES = { hit: [0, 158, 115], alarm: [230, 159, 0], miss: [204, 121, 167] };
const LABEL_COLOUR = [213, 94, 0];

const SCALE = Array.from({ length: page.colours.length / 6 }, (_, step) =>
  [0, 2, 4].map((place) => parseInt(page.colours.slice(6 * step + place, 6 * step + place + 2), 16)),
);

const mixed = (one, other, share) => one.map((value, index) => Math.round(value + share * (other[index] - value)));

/** The colour of a level from 1 to `count`. */
function levelColour(level, count) {
  return SCALE[count > 1 ? Math.round(((level - 1) / (count - 1)) * (SCALE.length - 1)) : 0];
}

/** Colours as 32-bit numbers in the order of bytes of a canvas, on the machines that browsers run on. */
const packed = ([red, green, blue]) => (255 << 24) | (blue << 16) | (green << 8) | red;

function drawPixels(canvas, { width, height }, fill) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  fill(new Uint32Array(image.data.buffer));
  context.putImageData(image, 0, 0);
}

function drawOutline(pixels, { inside, outside }) {
  for (const at of outside) pixels[at] = packed([0, 0, 0]);
  for (const at of inside) pixels[at] = packed([255, 255, 255]);
}

/** The image with its label: anomalies filled, void grey. */
function paintLabel(canvas, { label, colours, edges }) {
  drawPixels(canvas, label, (pixels) => {
    for (let at = 0; at < pixels.length; at += 1) {
      const own = [colours[4 * at], colours[4 * at + 1], colours[4 * at + 2]];
      if (label.values[at] === VOID) pixels[at] = packed(mixed(own, VOID_COLOUR, 0.8));
      else pixels[at] = packed(label.values[at] === ANOMALY ? mixed(own, LABEL_COLOUR, 0.65) : own);
    }
    drawOutline(pixels, edges);
  });
}

/** A score map in colours; the mask is what reaches the threshold, as a tint. */
function paintScores(canvas, pictures, levels, count, position, withMask) {
  const table = new Uint32Array(256).fill(packed(VOID_COLOUR));
  for (let level = 1; level <= count; level += 1) {
    const colour = levelColour(level, count);
    table[level] = packed(withMask && level > position ? mixed(colour, MASK_COLOUR, MASK_SHARE) : colour);
  }
  drawPixels(canvas, pictures.label, (pixels) => {
    for (let at = 0; at < pixels.length; at += 1) pixels[at] = table[levels[at]];
    drawOutline(pixels, pictures.edges);
  });
}

/** The image in grey, and on it what was found, what was missed, and what is a false alarm. */
function paintOutcome(canvas, { label, colours }, levels, position) {
  drawPixels(canvas, label, (pixels) => {
    for (let at = 0; at < pixels.length; at += 1) {
      const light = 0.3 * colours[4 * at] + 0.59 * colours[4 * at + 1] + 0.11 * colours[4 * at + 2];
      const grey = [light, light, light].map((value) => 40 + 0.7 * value);
      const anomaly = label.values[at] === ANOMALY;
      if (label.values[at] === VOID) pixels[at] = packed(mixed(grey, VOID_COLOUR, 0.8));
      else if (levels[at] > position) pixels[at] = packed(mixed(grey, anomaly ? OUTCOMES.hit : OUTCOMES.alarm, 0.7));
      else pixels[at] = packed(mixed(grey, anomaly ? OUTCOMES.miss : grey, 0.7));
    }
  });
}

/** The ground of the slider: the scale of colours from the lowest to the highest threshold. */
function scaleGradient(count) {
  const stops = [];
  for (let step = 0; step <= 32; step += 1) {
    const level = 1 + Math.round((step / 32) * (count - 1));
    stops.push(`rgb(${levelColour(level, count).join(" ")}) ${((100 * step) / 32).toFixed(2)}%`);
  }
  return `linear-gradient(to right, ${stops.join(", ")})`;
}
