// Start: curves at once, the images when all of the page has been read.

let painted = null;
let waiting = false;

/** Decode the image that is chosen and paint it, unless another was chosen meanwhile. */
async function showImage() {
  const { dataset, image } = state;
  if (image < 0) return;
  const pictures = await picturesOf(dataset, image);
  if (dataset !== state.dataset || image !== state.image) return;
  painted = pictures;
  paintPanels(pictures);
  showControls(pictures);
  document.body.dataset.image = image;
  // The neighbours, so that arrow keys are quick.
  const order = imageOrder();
  const place = order.indexOf(image);
  const near = [order[place + 1], order[place - 1]].filter((other) => other !== undefined);
  setTimeout(() => near.forEach((other) => picturesOf(dataset, other)), 50);
}

/** Paint thresholds once a frame, however fast the slider moves. */
function repaint() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    if (painted) paintMethods(painted);
    showControls(painted);
  });
}

function imagesChanged(changed) {
  const has = (...names) => names.some((name) => changed.includes(name));
  if (has("dataset")) {
    painted = null;
    fillMethods();
    makePanels();
    state.image = imageOrder()[0] ?? -1;
    byId("panels").hidden = state.image < 0;
  }
  if (has("dataset", "method", "sort", "worstFirst")) drawList();
  if (has("dataset", "method", "sort", "worstFirst", "image")) markImage();
  if (has("dataset", "image")) {
    showControls(null);
    showImage();
  } else repaint();
}

async function startImages() {
  startControls();
  listeners.push(imagesChanged);
  state.image = -1;
  change({ dataset: state.dataset });
  await showImage();
}

async function start() {
  if (byId("curves")) {
    startCurves();
    drawLegends();
    drawCurves();
  }
  if (document.readyState === "loading") {
    await new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve));
  }
  if (byId("images")) await startImages();
  document.body.dataset.ready = performance.now().toFixed(0);
}

start();
