// Tickers, chart, column summaries and rows. The lists hold only what is in view: they ask the kernel
// for the part that is scrolled to.
const svgNode = (name, attributes) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
};

function element(name, className = "", textContent = "", attributes = {}) {
  const made = Object.assign(document.createElement(name), { className, textContent });
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

const number = (value) => value.toLocaleString("en-US");

// A list of rows of equal height, of which those in view are drawn.
class VirtualList {
  constructor({ height, rowHeight, ask, make, label, role }) {
    Object.assign(this, { rowHeight, ask, make, total: 0, start: 0, items: [] });
    this.space = element("div", "flatnb-space");
    this.node = element("div", "flatnb-scroll", "", { role, "aria-label": label, tabindex: "0" });
    this.node.style.height = `${height}px`;
    this.node.append(this.space);
    this.node.addEventListener("scroll", () => { this.draw(); this.later(); });
  }

  get first() { return Math.max(0, Math.floor(this.node.scrollTop / this.rowHeight) - 5); }

  get count() { return Math.ceil(this.node.clientHeight / this.rowHeight) + 12; }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.request(), 40);
  }

  request() { this.ask(this.first, this.count); }

  // Begin at the top again, with another number of rows; the first of them come unasked or are asked for.
  reset(total, { isAsked = true } = {}) {
    Object.assign(this, { total, items: [], start: 0 });
    this.node.scrollTop = 0;
    if (isAsked) this.request();
  }

  show(start, items, total = this.total) {
    Object.assign(this, { start, items, total });
    this.draw();
  }

  draw() {
    this.space.style.height = `${this.total * this.rowHeight}px`;
    this.space.replaceChildren(...this.items.map((item, index) => {
      const row = this.make(item, this.start + index);
      row.style.transform = `translateY(${(this.start + index) * this.rowHeight}px)`;
      row.style.height = `${this.rowHeight}px`;
      return row;
    }));
  }
}

function sparkline(values) {
  const svg = svgNode("svg", { viewBox: "0 0 70 22", class: "flatnb-spark", "aria-hidden": "true" });
  if (values.length > 1) {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const points = values.map((value, index) =>
      `${(index * 70) / (values.length - 1)},${20 - (18 * (value - low)) / (high - low || 1)}`).join(" ");
    svg.append(svgNode("polyline", { points }));
  }
  return svg;
}

// A histogram whose bins are brushed to restrict the rows.
function histogram(summary, range, restrict) {
  const { counts, low, high, name, is_log: isLog } = summary;
  const value = (share) => (isLog ? low * (high / low) ** share : low + (high - low) * share);
  const width = 120 / counts.length;
  const most = Math.max(...counts);
  const svg = svgNode("svg", { viewBox: "0 0 120 34", preserveAspectRatio: "none", class: "flatnb-histogram", role: "img", "aria-label": `${name}: drag to filter` });
  counts.forEach((count, index) => {
    const tall = count ? Math.max(1.5, (32 * count) / most) : 0;
    const [begins, ends] = [value(index / counts.length), value((index + 1) / counts.length)];
    const isIn = !range || (ends > range[0] && begins < range[1]);
    svg.append(svgNode("rect", { x: index * width, y: 34 - tall, width: Math.max(width - 0.6, 0.5), height: tall, class: isIn ? "flatnb-bin" : "flatnb-bin-out" }));
  });
  const brush = svgNode("rect", { y: 0, height: 34, width: 0, class: "flatnb-brush" });
  svg.append(brush);
  const share = (event) => {
    const box = svg.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  svg.addEventListener("pointerdown", (down) => {
    const from = share(down);
    svg.setPointerCapture(down.pointerId);
    const move = (event) => {
      const to = share(event);
      brush.setAttribute("x", 120 * Math.min(from, to));
      brush.setAttribute("width", 120 * Math.abs(to - from));
    };
    const up = (event) => {
      svg.removeEventListener("pointermove", move);
      const to = share(event);
      if (Math.abs(to - from) < 0.01) restrict(null, null);
      else restrict(value(Math.min(from, to)), value(Math.max(from, to)));
    };
    svg.addEventListener("pointermove", move);
    svg.addEventListener("pointerup", up, { once: true });
  });
  return svg;
}

export default {
  render({ model, el }) {
    el.classList.add("flatnb", "flatnb-explorer", SCOPE);
    el.dataset.flatnbView = model.get("key");
    el.dataset.lmSuppressShortcuts = "true";
    const connection = new Connection(model, el, (isGone) => {
      for (const control of el.querySelectorAll("button, input")) control.disabled = isGone;
    });
    const columns = model.get("columns");
    const hasTickers = columns.includes("ticker");

    const title = element("b", "", "flatnb explorer");
    const count = element("span", "flatnb-dim", "", { role: "status" });
    const head = element("div", "flatnb-head");
    head.append(title, count);

    const search = element("input", "flatnb-search", "", { type: "text", placeholder: "Search tickers …", "aria-label": "Search tickers", autocomplete: "off", spellcheck: "false" });
    const tickers = new VirtualList({
      height: 400, rowHeight: 46, label: "Tickers", role: "listbox",
      ask: (start, asked) => connection.send({ action: "tickers", start, count: asked, search: search.value.trim() }),
      make: (item) => {
        const isChosen = item.ticker === model.get("seen").ticker;
        const row = element("div", "flatnb-ticker", "", { role: "option", "aria-selected": String(isChosen) });
        const words = element("div");
        const gaps = item.gaps ? ` · ${number(item.gaps)} days without` : "";
        words.append(element("b", "", item.ticker), element("span", "flatnb-dim", ` ${number(item.rows)} rows${gaps}`),
          element("div", "flatnb-small", item.first === item.last ? item.first : `${item.first} … ${item.last}`));
        row.append(words, sparkline(item.spark));
        row.addEventListener("click", () => choose(isChosen ? "" : item.ticker));
        return row;
      },
    });
    const choose = (ticker) => connection.send({ action: "choose", ticker });
    search.addEventListener("input", () => { clearTimeout(search.timer); search.timer = setTimeout(() => tickers.reset(tickers.total), 150); });
    tickers.node.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step) return;
      const at = tickers.items.findIndex((item) => item.ticker === model.get("seen").ticker);
      const next = tickers.items[at + step];
      if (next) choose(next.ticker);
      event.preventDefault();
      event.stopPropagation();
    });
    const left = element("div", "flatnb-tickers");
    left.append(search, tickers.node);

    const chart = new ChartView(el, 330);
    const intervals = element("div", "flatnb-intervals", "", { role: "group", "aria-label": "Interval" });
    const note = element("div", "flatnb-dim", hasTickers ? "choose a ticker to see its chart" : "");
    const right = element("div", "flatnb-chart-side");
    right.append(intervals, note, chart.node);
    chart.node.hidden = true;

    const summaries = element("div", "flatnb-summaries");
    const header = element("div", "flatnb-grid-row flatnb-grid-head");
    header.append(...columns.map((name) => element("span", "", name)));
    const grid = new VirtualList({
      height: 260, rowHeight: 24, label: "Rows", role: "table",
      ask: (start, asked) => connection.send({ action: "rows", start, count: asked }),
      make: (cells) => {
        const row = element("div", "flatnb-grid-row");
        row.append(...cells.map((text) => element("span", "", text)));
        return row;
      },
    });
    const table = element("div", "flatnb-table-box");
    const inner = element("div");
    inner.style.minWidth = `${columns.length * 118}px`;
    inner.append(summaries, header, grid.node);
    table.append(inner);

    const code = element("code");
    const pre = element("pre", "flatnb-code-line");
    pre.append(code);
    const button = (text, act) => {
      const made = element("button", "", text, { type: "button" });
      made.addEventListener("click", () => act(made));
      return made;
    };
    const copy = button("Copy code", async (made) => {
      // Browsers have no clipboard on pages that are neither HTTPS nor local.
      await navigator.clipboard?.writeText(code.textContent);
      made.textContent = "Copied";
      setTimeout(() => { made.textContent = "Copy code"; }, 1500);
    });
    const save = button("Save Parquet", () => connection.send({ action: "save" }));
    const clear = button("Clear filters", () => {
      for (const column of Object.keys(model.get("seen").ranges)) connection.send({ action: "restrict", column });
      if (model.get("seen").ticker) choose("");
    });
    const message = element("div", "", "", { role: "status" });
    const foot = element("div", "flatnb-foot");
    foot.append(pre, copy, save, clear);

    const body = element("div", "flatnb-explorer-body");
    if (hasTickers) body.append(left);
    body.append(right);
    el.append(head, connection.note, body, table, foot, message);

    let version = 0;
    const drawSeen = () => {
      const seen = model.get("seen");
      count.textContent = `${number(seen.rows)} of ${number(seen.all_rows)} rows · ${number(seen.tickers)} tickers`;
      code.textContent = seen.code;
      clear.hidden = !seen.ticker && !Object.keys(seen.ranges).length;
      if (seen.version !== version) {
        // The rows of a new filter follow it.
        grid.reset(seen.rows, { isAsked: version === 0 });
        version = seen.version;
      }
      tickers.draw();
      drawSummaries();
    };
    const drawSummaries = () => {
      const { ranges } = model.get("seen");
      const known = Object.fromEntries(model.get("summaries").map((each) => [each.name, each]));
      summaries.replaceChildren(...columns.map((name) => {
        const cell = element("div", "flatnb-summary");
        const summary = known[name];
        if (!summary) { cell.append(element("span", "flatnb-dim", "counting …")); return cell; }
        if (summary.counts.length) cell.append(histogram(summary, ranges[name], (low, high) => connection.send({ action: "restrict", column: name, low, high })));
        cell.append(element("div", "flatnb-small", summary.range), element("div", "flatnb-small", summary.note));
        cell.title = `${name}: ${summary.kind}, ${summary.range}`;
        return cell;
      }));
    };
    const drawBars = () => {
      const bars = model.get("bars");
      chart.node.hidden = !bars.series;
      note.textContent = bars.note ?? (bars.series ? "" : hasTickers ? "choose a ticker to see its chart" : "");
      intervals.replaceChildren(...(bars.intervals ?? []).map((name) => {
        const made = button(name, () => connection.send({ action: "interval", interval: name }));
        made.setAttribute("aria-pressed", String(name === bars.interval));
        return made;
      }));
      if (bars.series) chart.draw(bars);
    };
    const drawMessage = () => { message.textContent = model.get("message"); };
    const hear = (content) => {
      if (content?.rows && content.version === version) grid.show(content.start, content.rows);
      if (content?.tickers && content.search === search.value.trim()) tickers.show(content.start, content.tickers, content.total);
    };
    model.on("msg:custom", hear);
    const draws = { seen: drawSeen, summaries: drawSummaries, bars: drawBars, message: drawMessage };
    for (const [name, draw] of Object.entries(draws)) model.on(`change:${name}`, draw);
    // Until the element is part of the page, nothing has a size.
    const first = requestAnimationFrame(() => {
      for (const draw of Object.values(draws)) draw();
      if (hasTickers) tickers.reset(model.get("seen").tickers);
    });
    return () => {
      cancelAnimationFrame(first);
      connection.close();
      chart.close();
      model.off("msg:custom", hear);
      for (const [name, draw] of Object.entries(draws)) model.off(`change:${name}`, draw);
    };
  },
};
