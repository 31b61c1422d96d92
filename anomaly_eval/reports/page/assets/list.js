// The list of images, sorted by how well the chosen method does on each.

/** Places of the images of the dataset in the order of the list; what cannot be ranked comes last. */
function imageOrder() {
  const { samples } = currentDataset();
  const places = samples.map((_, index) => index);
  if (!state.sort) return places;
  const { higherIsBetter } = page.metrics.find(({ key }) => key === state.sort);
  const sign = state.worstFirst === higherIsBetter ? 1 : -1;
  const valueOf = (place) => samples[place].metrics[state.method]?.[state.sort];
  return places.sort((one, other) => {
    const [own, others] = [valueOf(one), valueOf(other)];
    if (own === undefined || others === undefined) return Number(own === undefined) - Number(others === undefined);
    return sign * (own - others);
  });
}

function stepImage(step) {
  const order = imageOrder();
  if (!order.length) return;
  const place = order.indexOf(state.image) + step;
  if (place >= 0 && place < order.length) change({ image: order[place] });
}

function drawList() {
  const { samples } = currentDataset();
  const metric = state.sort || page.sort;
  byId("list").replaceChildren(
    ...imageOrder().map((place) => {
      const sample = samples[place];
      const rate = sample.metrics[state.method]?.[metric];
      const lacking = sample.anomalies ? "no inlier" : "no anomaly";
      const value = rate === undefined ? (sample.anomalies && sample.inliers ? UNKNOWN : lacking) : rate.toFixed(1);
      const button = element("button", { type: "button", title: sample.id });
      button.append(element("span", { class: "id" }, sample.id), element("span", { class: "value" }, value));
      button.dataset.image = place;
      return element("li", {}, button);
    }),
  );
}

/** Mark the image that is shown, and say which it is. */
function markImage() {
  const order = imageOrder();
  const sample = currentDataset().samples[state.image];
  for (const button of byId("list").querySelectorAll("button")) {
    const chosen = Number(button.dataset.image) === state.image;
    if (!chosen) button.removeAttribute("aria-current");
    else {
      button.setAttribute("aria-current", "true");
      showInList(button);
    }
  }
  const place = order.indexOf(state.image);
  byId("place").textContent = sample
    ? `${sample.id} · image ${place + 1} of ${order.length} · ${sample.width}\u00a0×\u00a0${sample.height}`
    : "There is no image of this dataset on the page.";
  byId("previous").disabled = place <= 0;
  byId("next").disabled = place >= order.length - 1;
}

/** Scroll the list, and only the list, so that its entry is seen. */
function showInList(button) {
  const list = byId("list");
  const [own, frame] = [button.getBoundingClientRect(), list.getBoundingClientRect()];
  if (own.top < frame.top) list.scrollTop -= frame.top - own.top;
  if (own.bottom > frame.bottom) list.scrollTop += own.bottom - frame.bottom;
}
