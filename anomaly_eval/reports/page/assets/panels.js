// The pictures side by side: the image, its label, and each method with its own rates.

/** Make the panels of the dataset; pictures are painted into them later. */
function makePanels() {
  const { methods } = currentDataset();
  const fixed = ["image", "label"].map((kind) =>
    element("figure", { class: "panel", "data-kind": kind }, element("figcaption", {}, kind), element("canvas", { role: "img" })),
  );
  const own = methods.map((method, index) => {
    const name = element("button", { type: "button", class: "name", title: "choose this method" }, methodName(method));
    const canvas = element("canvas", { role: "img" });
    for (const target of [name, canvas]) target.addEventListener("click", () => change({ method: index }));
    const rates = element("table", { class: "rates" });
    const row = (title, kind) =>
      element("tr", {}, element("th", { scope: "row" }, title), element("td", { class: `${kind}-tpr` }), element("td", { class: `${kind}-fpr` }));
    const head = element("tr", {}, element("th", { class: "at" }), element("th", { scope: "col" }, "TPR"), element("th", { scope: "col" }, "FPR"));
    rates.append(head, row("this image", "image"), row("all images", "pool"));
    const caption = element("figcaption", {}, name);
    const metrics = element("p", { class: "metrics", title: "of this image by itself" });
    const panel = element("figure", { class: "panel", "data-kind": "method" }, caption, canvas, metrics, rates);
    panel.style.setProperty("--colour", colourOf(method.method));
    return panel;
  });
  byId("panels").replaceChildren(...fixed, ...own);
}

const methodPanels = () => [...byId("panels").querySelectorAll("[data-kind=method]")];

function showRates(panel, index, map) {
  const { levels } = currentDataset().methods[index];
  const position = state.positions[state.dataset][index];
  panel.querySelector(".at").textContent = levels && map ? `≥ ${levels.thresholds[position]}` : "";
  for (const [kind, counts] of [["image", map], ["pool", levels]]) {
    if (!counts) continue;
    showShare(panel.querySelector(`.${kind}-tpr`), counts.anomalies[position], counts.anomalies[0], "anomaly pixels");
    showShare(panel.querySelector(`.${kind}-fpr`), counts.inliers[position], counts.inliers[0], "inlier pixels");
  }
}

function showMetrics(panel, index) {
  const found = currentDataset().samples[state.image].metrics[index];
  panel.querySelector(".metrics").textContent = found
    ? page.metrics.map(({ key, title }) => `${title} ${found[key]?.toFixed(1) ?? UNKNOWN}`).join(" · ")
    : "cannot be ranked";
}

/** Paint everything of one image. */
function paintPanels(pictures) {
  const [image, label] = byId("panels").querySelectorAll("canvas");
  Object.assign(image, { width: pictures.image.width, height: pictures.image.height });
  image.getContext("2d").drawImage(pictures.image, 0, 0);
  paintLabel(label, pictures);
  const { id } = currentDataset().samples[state.image];
  image.setAttribute("aria-label", `image ${id}`);
  label.setAttribute("aria-label", `label of ${id}: anomalies filled and outlined, void grey`);
  paintMethods(pictures);
}

/** Paint what depends on thresholds and choices. */
function paintMethods(pictures) {
  methodPanels().forEach((panel, index) => {
    const own = currentDataset().methods[index];
    const map = pictures.maps[index];
    panel.hidden = state.hidden.has(own.method) || !map;
    panel.classList.toggle("chosen", index === state.method);
    if (panel.hidden) return;
    const canvas = panel.querySelector("canvas");
    const position = state.positions[state.dataset][index];
    const count = own.levels.thresholds.length;
    if (state.view === "outcome") paintOutcome(canvas, pictures, map.levels, position);
    else paintScores(canvas, pictures, map.levels, count, position, state.mask);
    canvas.setAttribute("aria-label", `${methodName(own)}, pixels at or above ${own.levels.thresholds[position]}`);
    showRates(panel, index, map);
    showMetrics(panel, index);
  });
}
