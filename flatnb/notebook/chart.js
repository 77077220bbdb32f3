// The interactive chart: tickers, intervals, and the bars that the kernel made for one of them.
export default {
  render({ model, el }) {
    el.classList.add("flatnb", "flatnb-chart", SCOPE);
    el.dataset.flatnbView = model.get("key");
    el.dataset.lmSuppressShortcuts = "true";
    const connection = new Connection(model, el, (isGone) => {
      for (const button of intervals.children) button.disabled = isGone;
    });
    const view = new ChartView(el);
    const intervals = document.createElement("div");
    intervals.className = "flatnb-intervals";
    intervals.setAttribute("role", "group");
    intervals.setAttribute("aria-label", "Interval");
    for (const name of model.get("intervals")) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
      button.addEventListener("click", () => connection.send({ action: "interval", interval: name }));
      intervals.append(button);
    }
    const reset = Object.assign(document.createElement("button"), { type: "button", textContent: "All" });
    reset.addEventListener("click", () => view.chart?.timeScale().fitContent());
    reset.title = "Show all bars";
    const head = document.createElement("div");
    head.className = "flatnb-head";
    const title = Object.assign(document.createElement("b"), { textContent: model.get("title") });
    const note = Object.assign(document.createElement("span"), { className: "flatnb-dim", textContent: "exchange time (New York)" });
    head.append(title, note);
    const controls = document.createElement("div");
    controls.className = "flatnb-row";
    controls.append(intervals, reset);
    el.append(head, connection.note, controls, view.node);
    const draw = () => {
      const bars = model.get("bars");
      for (const button of intervals.children) button.setAttribute("aria-pressed", String(button.textContent === bars.interval));
      view.draw(bars);
    };
    model.on("change:bars", draw);
    // Until the element is part of the page it has no colours.
    const first = requestAnimationFrame(draw);
    return () => {
      cancelAnimationFrame(first);
      connection.close();
      model.off("change:bars", draw);
      view.close();
    };
  },
};
