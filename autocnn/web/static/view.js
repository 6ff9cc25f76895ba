// The page of a study: follows it, shows its images, tries one of yours. Reads only.
"use strict";

const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 480, HEIGHT = 220, LEFT = 58, BOTTOM = 26, TOP = 8, RIGHT = 8;

async function ask(path, options) {
  const answer = await fetch(path, options);
  const data = await answer.json();
  if (!answer.ok) throw new Error(data.error || answer.statusText);
  return data;
}

function make(name, facts = {}, ...inside) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(facts)) {
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...inside);
  return node;
}

function draw(name, facts, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(facts)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

// A name in a script that runs from the right does not reorder what stands beside it.
const isolated = (name) => make("bdi", {}, name);
const parts = (path) => path.split("/").flatMap((part, place) => (place ? ["/", isolated(part)] : [isolated(part)]));
const shown = (value, places = 4) => (value === null || value === undefined ? "–" : value.toFixed(places));

// -- parts of the page -------------------------------------------------------------------

const PARTS = ["search", "leaderboard", "images", "try"];

function showPart() {
  const [asked, query] = location.hash.slice(1).split("?"), isShown = document.querySelector("#parts [aria-current]");
  if (asked === "main" && isShown) return; // who skips to the study stays in its part
  const wanted = PARTS.includes(asked) ? asked : "search";
  for (const part of PARTS) $(part).hidden = part !== wanted;
  for (const link of document.querySelectorAll("#parts a")) {
    if (link.getAttribute("href") === `#${wanted}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (wanted === "images") {
    if (query) readFilters(new URLSearchParams(query));
    if (query && grid.isShown) grid.search();
    grid.show();
    history.replaceState(null, "", filterAddress());
  }
  window.scrollTo(0, 0);
}

// -- the search --------------------------------------------------------------------------

let study = null, chosenTrial = null;

function scales(xs, ys) {
  // Not Math.min(...ys): all epochs of all trials are more than a call may have arguments.
  let low = Infinity, high = -Infinity, last = 1;
  for (const y of ys) if (y !== null && Number.isFinite(y)) [low, high] = [Math.min(low, y), Math.max(high, y)];
  for (const x of xs) last = Math.max(last, x);
  if (low > high) [low, high] = [0, 1];
  if (high - low < 1e-9) [low, high] = [low - 0.05, high + 0.05];
  return {
    x: (value) => LEFT + (value / last) * (WIDTH - LEFT - RIGHT),
    y: (value) => HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - BOTTOM - TOP),
    low, high, last,
  };
}

function frame(svg, scale, below) {
  svg.replaceChildren();
  for (let step = 0; step <= 4; step++) {
    const value = scale.low + (step / 4) * (scale.high - scale.low), y = scale.y(value);
    svg.append(draw("path", { class: "axis", d: `M${LEFT} ${y}H${WIDTH - RIGHT}` }));
    svg.append(draw("text", { x: LEFT - 5, y: y + 4, "text-anchor": "end" }, value.toFixed(3)));
  }
  svg.append(draw("text", { x: LEFT, y: HEIGHT - 6 }, below));
  svg.append(draw("text", { x: WIDTH - RIGHT, y: HEIGHT - 6, "text-anchor": "end" }, String(scale.last)));
}

const pathOf = (points) => points.map(([x, y], place) => `${place ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

function drawSearch() {
  const trials = study.trials, leaders = new Set(study.leaders);
  const measured = trials.filter((trial) => trial.objective !== null);
  $("best").closest("figure").hidden = !measured.length;
  let scale = scales(measured.map((t) => t.trial), measured.map((t) => t.objective));
  frame($("best"), scale, "trial");
  let best = null;
  const steps = [];
  for (const trial of measured) {
    if (best !== null) steps.push([scale.x(trial.trial), scale.y(best)]);
    if (leaders.has(trial.trial)) {
      best = trial.objective;
      steps.push([scale.x(trial.trial), scale.y(best)]);
    }
    const dot = draw("circle", {
      class: `dot${trial.trial === study.best ? " best" : ""}${trial.trial === chosenTrial ? " on" : ""}`,
      cx: scale.x(trial.trial), cy: scale.y(trial.objective), r: 4,
    });
    dot.append(draw("title", {}, `trial ${trial.trial}: ${shown(trial.objective)}`));
    dot.addEventListener("click", () => showTrial(trial.trial));
    dot.addEventListener("pointerenter", () => point(trial));
    $("best").append(dot);
  }
  $("best").prepend(draw("path", { class: "line best", d: pathOf(steps) }));

  const curves = trials.filter((trial) => trial.curve.some((value) => value !== null)).slice(-300);
  $("curves").closest("figure").hidden = !curves.length;
  scale = scales(curves.map((t) => t.curve.length), curves.flatMap((t) => t.curve));
  frame($("curves"), scale, "epoch");
  for (const trial of curves) {
    const points = trial.curve.flatMap((value, place) => (value === null ? [] : [[scale.x(place + 1), scale.y(value)]]));
    const line = draw("path", {
      class: `line${trial.trial === study.best ? " best" : ""}${trial.trial === chosenTrial ? " on" : ""}`, d: pathOf(points),
    });
    line.append(draw("title", {}, `trial ${trial.trial}: ${shown(trial.objective)}`));
    line.addEventListener("click", () => showTrial(trial.trial));
    line.addEventListener("pointerenter", () => point(trial));
    $("curves").append(line);
    if (points.length === 1) $("curves").append(draw("circle", { class: "dot", cx: points[0][0], cy: points[0][1], r: 3 }));
  }
}

function point(trial) {
  $("pointed").textContent = `Trial ${trial.trial}, ${trial.state}: ${study.objective} ${shown(trial.objective)} after ${trial.epoch} epochs, ${trial.seconds} s`;
}

// Of a trial that runs: the best of its epochs so far.
function bestOf(trial) {
  const values = trial.curve.filter((value) => value !== null);
  if (trial.objective !== null || !values.length) return trial.objective;
  return (study.is_larger_better ? Math.max : Math.min)(...values);
}

function listTrials() {
  const rows = [...study.trials].reverse().slice(0, 1000).map((trial) => {
    const row = make("tr", { class: trial.trial === chosenTrial ? "on" : "", onclick: () => showTrial(trial.trial) },
      make("th", { scope: "row" }, make("button", { type: "button", "aria-label": `Trial ${trial.trial}` }, String(trial.trial))),
      make("td", {}, trial.state),
      make("td", { class: "number" }, shown(bestOf(trial))),
      make("td", { class: "number" }, trial.epochs ? `${trial.epoch} of ${trial.epochs}` : String(trial.epoch)),
      make("td", { class: "number" }, String(trial.seconds)));
    return row;
  });
  const focused = document.activeElement && document.activeElement.closest("#trials") ? document.activeElement.textContent : null;
  $("trials").tBodies[0].replaceChildren(...rows);
  if (focused !== null) {
    const again = [...$("trials").querySelectorAll("button")].find((button) => button.textContent === focused);
    if (again) again.focus();
  }
}

function listCandidates() {
  const found = study.leaderboard;
  $("no-leaderboard").hidden = Boolean(found);
  $("candidates").hidden = !found;
  if (!found) return;
  $("candidates").caption.firstElementChild.textContent = found.caption;
  $("candidates").tHead.rows[0].replaceChildren(...found.header.map((name) => make("th", { scope: "col" }, name)));
  $("candidates").tBodies[0].replaceChildren(...found.rows.map((row) => make("tr", {}, ...row.map((cell) => make("td", {}, cell)))));
}

let offered = "";

// What there is to choose from, which grows while the study runs.
function offer() {
  const now = JSON.stringify([study.class_names, study.models, study.images]);
  if (now === offered) return;
  const isFirst = !offered;
  offered = now;
  const classes = [["", "any"], ...study.class_names.map((name) => [name, name])];
  fill("label", classes);
  fill("predicted", classes);
  fill("candidate", study.models);
  for (const name of ["predicted", "candidate"]) choice(name).closest("label").hidden = !study.models.length;
  $("no-model").hidden = study.models.length > 0;
  $("legend").hidden = !study.models.length;
  $("drop").hidden = !study.models.length;
  if (grid.isShown && !isFirst) grid.search();
}

const choice = (name) => document.querySelector(`#filters [name=${name}]`);

function fill(name, choices) {
  const select = choice(name), before = select.value;
  select.replaceChildren(...choices.map(([value, text]) => make("option", { value }, text)));
  if (choices.some(([value]) => String(value) === before)) select.value = before;
}

let drawn = "";

async function follow() {
  let wait = 3000;
  try {
    study = await ask("/api/study");
    $("state").textContent = study.sentence;
    $("state").classList.remove("notice");
    $("report").hidden = $("more").hidden = !study.has_report;
    const now = JSON.stringify(study);
    if (now !== drawn) {
      drawn = now;
      offer();
      document.querySelector(".charts").hidden = false;
      drawSearch();
      listTrials();
      listCandidates();
      if (chosenTrial !== null) await showTrial(chosenTrial, true);
    }
    if (!study.is_running) wait = 10000;
  } catch (error) {
    $("state").textContent = error instanceof TypeError ? "autocnn view was ended: start it again to go on." : error.message;
    $("state").classList.add("notice");
    wait = 10000;
  }
  setTimeout(follow, wait);
}

async function showTrial(number, isUpdate = false) {
  chosenTrial = number;
  const trial = await ask(`/api/trials/${number}`);
  if (chosenTrial !== number) return;
  $("trial").hidden = false;
  $("trial-title").textContent = `Trial ${trial.trial}`;
  $("trial-state").textContent = `${trial.state}${trial.reason ? `: ${trial.reason}` : ""}`;
  $("trial-curve").toggleAttribute("hidden", !trial.epochs.length);
  const both = trial.epochs.flatMap((one) => [one.train, one.val]);
  const scale = scales(trial.epochs.map((one) => one.epoch), both);
  frame($("trial-curve"), scale, "epoch; train dashed");
  for (const name of ["train", "val"]) {
    const points = trial.epochs.flatMap((one) => (one[name] === null ? [] : [[scale.x(one.epoch), scale.y(one[name])]]));
    $("trial-curve").append(draw("path", { class: `line ${name === "val" ? "best" : "train"}`, d: pathOf(points) }));
    if (points.length === 1) $("trial-curve").append(draw("circle", { class: `dot ${name === "val" ? "best" : ""}`, cx: points[0][0], cy: points[0][1], r: 3 }));
  }
  $("trial-params").replaceChildren(...Object.entries(trial.params).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  const log = $("trial-log"), atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
  const epochs = trial.epochs.map((one) => `epoch ${one.epoch}: loss ${shown(one.loss, 3)}, train ${shown(one.train, 3)}, val ${shown(one.val, 3)}, ${shown(one.seconds, 1)} s`);
  log.textContent = [trial.log.trimEnd(), ...epochs, trial.traceback].filter(Boolean).join("\n") || "No epoch has ended yet.";
  if (atEnd) log.scrollTop = log.scrollHeight;
  if (!isUpdate) {
    drawSearch();
    listTrials();
    $("trial-title").focus();
  }
}

// -- the images --------------------------------------------------------------------------

// What is asked for stands in the address, so that it outlives a reload and can be sent to others.
function filterAddress() {
  const query = new URLSearchParams();
  for (const field of $("filters").elements) {
    if (field.value && field.value !== firstOf(field)) query.set(field.name, field.value);
  }
  return `#images${String(query) && "?"}${query}`;
}

function readFilters(query) {
  for (const field of $("filters").elements) {
    const wanted = query.get(field.name), choices = field.options && [...field.options].map((one) => one.value);
    const isThere = wanted !== null && (!choices || choices.includes(wanted));
    field.value = isThere ? wanted : firstOf(field);
  }
}

const firstOf = (field) => (field.options && field.options.length ? field.options[0].value : "");

const TILE = { width: 128, height: 164 }, PAGE = 200;

const grid = {
  total: 0, pages: new Map(), query: "", columns: 1, tiles: new Map(), isShown: false,

  show() {
    if (!this.isShown) {
      this.isShown = true;
      $("filters").hidden = $("grid").hidden = false;
      this.search();
    }
    this.layout();
  },

  async search() {
    const asked = new URLSearchParams(new FormData($("filters")));
    for (const [name, value] of [...asked]) if (!value) asked.delete(name);
    this.query = asked.toString();
    if (!$("images").hidden) history.replaceState(null, "", filterAddress());
    this.pages = new Map();
    $("grid").scrollTop = 0;
    const query = this.query;
    try {
      await this.load(0);
    } catch (error) {
      $("found").textContent = error.message;
      this.total = 0;
    }
    if (query !== this.query) return;
    for (const tile of this.tiles.values()) tile.remove();
    this.tiles.clear();
    this.layout();
  },

  load(page) {
    if (!this.pages.has(page)) {
      const query = this.query;
      const asked = ask(`/api/images?${query}&start=${page * PAGE}&number=${PAGE}`).then((found) => {
        if (query !== this.query) return [];
        this.total = found.total;
        $("found").textContent = `${found.total.toLocaleString("en")} images.${found.problem ? ` They cannot be shown: ${found.problem}` : ""}`;
        this.pages.set(page, found.images);
        return found.images;
      });
      this.pages.set(page, asked);
      asked.catch(() => this.pages.delete(page));
    }
    return this.pages.get(page);
  },

  layout() {
    this.columns = Math.max(1, Math.trunc($("grid").clientWidth / TILE.width));
    // Browsers end at some 10 million px.
    $("space").style.height = `${Math.min(9e6, Math.ceil(this.total / this.columns) * TILE.height)}px`;
    this.draw();
  },

  draw() {
    const view = $("grid"), rows = Math.ceil(this.total / this.columns);
    const full = rows * TILE.height, scaled = Math.min(9e6, full);
    const ratio = scaled > view.clientHeight ? (full - view.clientHeight) / (scaled - view.clientHeight) : 1;
    const top = view.scrollTop * ratio, shift = view.scrollTop - top;
    const first = Math.max(0, Math.trunc(top / TILE.height) - 2) * this.columns;
    const last = Math.min(this.total, (Math.ceil((top + view.clientHeight) / TILE.height) + 2) * this.columns);
    for (const [place, tile] of this.tiles) {
      if (place >= first && place < last) continue;
      if (tile === document.activeElement) view.focus({ preventScroll: true }); // else the keys go nowhere
      tile.remove();
      this.tiles.delete(place);
    }
    for (let place = first; place < last; place++) {
      const page = this.load(Math.trunc(place / PAGE));
      if (!Array.isArray(page)) { page.then(() => this.draw(), () => {}); continue; }
      let tile = this.tiles.get(place);
      if (!tile && page[place % PAGE]) {
        tile = this.tile(page[place % PAGE], place);
        this.tiles.set(place, tile);
        $("space").append(tile);
      }
      if (tile) tile.style.transform = `translate(${(place % this.columns) * TILE.width}px, ${Math.trunc(place / this.columns) * TILE.height + shift}px)`;
    }
  },

  tile(image, position) {
    const isWrong = image.predicted !== undefined && image.predicted !== image.label;
    const said = image.predicted === undefined ? image.split : `${isWrong ? "✗ " : ""}${image.probability.toFixed(2)} ${image.predicted}`;
    const picture = make("img", { src: `/thumbnails/${image.place}.jpg`, alt: "", width: 112, height: 112, loading: "lazy" });
    picture.addEventListener("error", () => { picture.alt = "cannot be read"; });
    const facts = [isWrong && "wrong", `in ${image.split}`, image.suspect && "label looks wrong", image.unlike && "unlike the training images", image.path];
    return make("button", {
      class: "tile", type: "button", title: `${image.label}: ${said}, ${facts.filter(Boolean).join(", ")}`, onclick: () => showImage(image.place, position),
    }, picture, make("span", {}, isolated(image.label), image.suspect ? " ?" : ""), make("span", { class: isWrong ? "wrong" : "" }, said),
    make("span", { class: "unseen" }, `, ${facts.filter(Boolean).join(", ")}`));
  },
};

function shares(pairs) {
  const rows = pairs.map(([name, value]) => make("tr", {},
    make("th", { scope: "row" }, name),
    make("td", {}, bar(value)),
    make("td", { class: "number" }, value.toFixed(4))));
  return make("table", { class: "shares" }, make("tbody", {}, ...rows));
}

function bar(value) {
  const inner = make("span", {});
  inner.style.left = "0";
  inner.style.width = `${100 * value}%`;
  return make("span", { class: "bar", "aria-hidden": "true" }, inner);
}

let looked = 0, numTurns = 0;

// One of the images that were found, by its position there, or a copy of the one that is shown.
async function showImage(place, position = looked) {
  const turn = ++numTurns;
  let found;
  looked = position;
  $("position").textContent = `${(position + 1).toLocaleString("en")} of ${grid.total.toLocaleString("en")}`;
  $("previous").disabled = position <= 0;
  $("next").disabled = position + 1 >= grid.total;
  try {
    found = await ask(`/api/images/${place}`);
  } catch (error) {
    $("found").textContent = error.message;
    $("image").close();
    return;
  }
  if (turn !== numTurns) return; // another one was asked for meanwhile, or none any more
  $("image-title").replaceChildren(...parts(found.path));
  $("image-large").src = `/images/${place}.png`;
  $("image-large").alt = `${found.label}: ${found.path}`;
  const facts = [["label", [isolated(found.label)]], ["split", [found.split]]];
  if (found.group) facts.push(["group", [isolated(found.group)]]);
  if (found.doubt) facts.push(["label looks wrong", [isolated(found.doubt.predicted), "; ", isolated(found.label), ` has ${found.doubt.label.toFixed(3)}`]]);
  const list = make("dl", { class: "facts" }, ...facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, ...value)]));
  const inside = [list];
  if (found.copies.length) {
    inside.push(make("p", {}, "Copies: ", ...found.copies.slice(0, 12).map((other) =>
      make("button", { type: "button", onclick: () => showImage(other) }, make("img", { src: `/thumbnails/${other}.jpg`, alt: `copy ${other}`, width: 56, height: 56 })))));
  }
  $("image-facts").replaceChildren(...inside);
  $("image-said").replaceChildren(...found.said.map((one) => {
    const maps = make("div", {});
    const look = make("button", { type: "button", onclick: () => showMap(place, one.candidate, look, maps) }, "Where it looked");
    return make("section", {}, make("h4", {}, one.title), one.is_own ? "" : make("p", {}, "Said by the model of the search, which had not been retrained yet."), one.unlike ? make("p", {}, "Unlike the training images, as this candidate sees them.") : "", one.shares ? shares(one.shares) : "", look, maps);
  }));
  if (!$("image").open) $("image").showModal();
}

async function step(by) {
  const position = looked + by;
  if (position < 0 || position >= grid.total) return;
  try {
    const page = await grid.load(Math.trunc(position / PAGE)), image = page[position % PAGE];
    if (image) showImage(image.place, position);
  } catch (error) {
    $("position").textContent = error.message;
  }
}

async function showMap(place, candidate, button, target) {
  button.disabled = true;
  button.textContent = "Loading the model...";
  try {
    const found = await ask(`/api/images/${place}/look/${candidate}`);
    target.replaceChildren(found.map ? drawMap(found) : "This model cannot say where it looked.");
    button.remove();
  } catch (error) {
    button.textContent = error.message;
  }
}

function drawMap(found) {
  return make("figure", {},
    make("img", { src: found.map, alt: `The image as the model sees it, and where it looked for ${found.predicted}` }),
    make("figcaption", {}, "As the model sees it, and where it looked"));
}

// -- an image of yours -------------------------------------------------------------------

async function tryImage(blob, name) {
  const candidate = choice("candidate").value || "1";
  $("trying").textContent = `${name}: predicting (the first image loads the model) ...`;
  $("tried").replaceChildren();
  let found;
  try {
    found = await ask(`/api/try/${candidate}`, { method: "POST", body: blob, headers: { "Content-Type": "application/octet-stream" } });
  } catch (error) {
    $("trying").textContent = `${name}: ${error.message}`;
    return;
  }
  if (found.error) {
    $("trying").textContent = `${name} ${found.error}.`;
    return;
  }
  const unlike = found.unlike ? " It is unlike the training images: this is a guess about something that the model does not know." : "";
  $("trying").replaceChildren(isolated(name), ": ", isolated(found.predicted), `, ${found.probability.toFixed(3)}.${unlike}`);
  const order = Object.entries(found.probabilities).sort((one, two) => two[1] - one[1]).slice(0, 10);
  $("tried").replaceChildren(...(found.map ? [drawMap(found)] : []), shares(order));
}

function readyToTry() {
  const drop = $("drop");
  $("file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) tryImage(file, file.name);
    event.target.value = "";
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind !== "drop") return;
      const [file] = event.dataTransfer.files;
      if (file) tryImage(file, file.name);
    });
  }
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData.files;
    if (file && !$("try").hidden) tryImage(file, "the pasted image");
  });
  if (!navigator.mediaDevices) $("camera").hidden = true;
  $("camera").addEventListener("click", async () => {
    try {
      $("video").srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
      $("video").hidden = $("shoot").hidden = false;
      await $("video").play();
    } catch (error) {
      $("trying").textContent = `No camera: ${error.message}`;
    }
  });
  $("shoot").addEventListener("click", () => {
    const video = $("video"), canvas = make("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((blob) => tryImage(blob, "the picture"), "image/png");
    for (const track of video.srcObject.getTracks()) track.stop();
    video.hidden = $("shoot").hidden = true;
  });
}

let typing = 0;
$("filters").addEventListener("change", () => grid.search());
$("filters").addEventListener("input", (event) => {
  if (event.target.name !== "text") return;
  clearTimeout(typing);
  typing = setTimeout(() => grid.search(), 250);
});
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("previous").addEventListener("click", () => step(-1));
$("next").addEventListener("click", () => step(1));
$("image").addEventListener("close", () => { numTurns++; });
document.addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (by && $("image").open && !event.altKey && !event.ctrlKey && !event.metaKey) step(by);
});
$("grid").addEventListener("scroll", () => grid.draw(), { passive: true });
window.addEventListener("resize", () => grid.layout());
window.addEventListener("hashchange", showPart);
document.documentElement.classList.add("scripted");
readyToTry();
showPart();
follow();
