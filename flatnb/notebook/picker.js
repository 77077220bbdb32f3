// Draws the form, the calendar and the kernel's messages. Every change is sent to the kernel as a
// message, which replies with new traits. Only a range with one end chosen is state of the page.
const WEEKDAYS = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];
const PRESETS = { day: "Last day", week: "Week", month: "Month", ytd: "Year to date", year: "Year" };
const LEGEND = { open: "in the bucket", cached: "cached", missing: "no file", late: "not published yet", closed: "closed" };

function make(name, properties = {}, ...children) {
  const { data, aria, ...others } = properties;
  const element = Object.assign(document.createElement(name), others);
  Object.assign(element.dataset, data);
  for (const [key, value] of Object.entries(aria ?? {})) element.setAttribute(`aria-${key}`, value);
  element.append(...children);
  return element;
}

const labelled = (text, input, className = "") => make("label", { className }, make("span", { textContent: text }), input);

// The fields. `draw` shows the form of the model, except in the field that is being edited.
class Fields {
  constructor(model, send) {
    this.model = model;
    this.set = (name, value) => send("set", { name, value });
    this.inputs = {};
    const day = { placeholder: "YYYY-MM-DD", size: 11 };
    this.dataType = labelled("Data", this.input("data_type", this.dataTypes()), "flatnb-wide");
    this.days = make("div", { className: "flatnb-pair" },
      this.text("start", "From", day), this.text("end", "To (inclusive)", day));
    this.symbols = labelled("Symbols", this.input("symbols", make("textarea",
      { rows: 2, spellcheck: false, placeholder: "all – or AAPL, MSFT BRK.B …" })));
    this.contracts = make("fieldset", { className: "flatnb-options" }, make("legend", { textContent: "Contracts" }),
      this.text("underlyings", "Underlyings", { placeholder: "SPY …" }),
      this.text("expiry_from", "Expiry from", day), this.text("expiry_to", "to", day),
      this.text("strike_from", "Strike from", { size: 7 }), this.text("strike_to", "to", { size: 7 }),
      this.select("option_type", "Type", [["", "calls and puts"], ["call", "calls"], ["put", "puts"]]));
    this.columnBoxes = make("div", { className: "flatnb-columns" });
    this.columnsTitle = make("summary");
    this.columns = make("details", {}, this.columnsTitle, this.columnBoxes);
    this.frame = this.select("frame", "Frame", [["polars", "polars"], ["pandas", "pandas"]]);
  }

  dataTypes() {
    return make("select", {}, ...this.model.get("groups").map(({ group, items }) =>
      make("optgroup", { label: group }, ...items.map(({ name, contents }) =>
        make("option", { value: name, textContent: `${name} – ${contents}` })))));
  }

  input(name, element) {
    this.inputs[name] = element;
    element.addEventListener("change", () => this.set(name, element.value));
    return element;
  }

  text(name, label, attributes = {}) {
    const properties = { type: "text", spellcheck: false, autocomplete: "off", ...attributes };
    return labelled(label, this.input(name, make("input", properties)));
  }

  select(name, label, choices) {
    const options = choices.map(([value, textContent]) => make("option", { value, textContent }));
    return labelled(label, this.input(name, make("select", {}, ...options)));
  }

  draw() {
    const { values, columns, options } = this.model.get("form");
    for (const [name, value] of Object.entries(values)) {
      const input = this.inputs[name];
      const edited = input === document.activeElement && input.tagName !== "SELECT";
      if (input && input.value !== value && !edited) input.value = value;
    }
    this.contracts.hidden = !options;
    this.drawColumns(columns, values.columns);
  }

  // No selected column stands for all columns.
  drawColumns(all, selected) {
    this.columnsTitle.textContent = selected.length ? `${selected.length} of ${all.length} columns` : "All columns";
    this.columnBoxes.replaceChildren(...all.map((name) => {
      const box = make("input", { type: "checkbox", checked: !selected.length || selected.includes(name) });
      box.addEventListener("change", () => {
        const now = new Set(selected.length ? selected : all);
        if (box.checked) now.add(name); else now.delete(name);
        const ordered = all.filter((each) => now.has(each));
        this.set("columns", ordered.length === all.length ? [] : ordered);
      });
      return make("label", {}, box, ` ${name}`);
    }));
  }
}

const STEPS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 };

function addDays(date, days) {
  const next = new Date(`${date}T00:00:00Z`);
  next.setUTCDate(next.getUTCDate() + days);
  return next.toISOString().slice(0, 10);
}

// The same day of another month, or its last one.
function addMonths(date, step) {
  const [year, month, number] = date.split("-").map(Number);
  const last = new Date(Date.UTC(year, month + step, 0)).getUTCDate();
  return new Date(Date.UTC(year, month - 1 + step, Math.min(number, last))).toISOString().slice(0, 10);
}

// The date that a key moves to, by the WAI-ARIA pattern for date grids; null for other keys.
function dateAfterKey(event, date) {
  const weekday = (new Date(`${date}T00:00:00Z`).getUTCDay() + 6) % 7;
  if (event.key in STEPS) return addDays(date, STEPS[event.key]);
  if (event.key === "Home") return addDays(date, -weekday);
  if (event.key === "End") return addDays(date, 6 - weekday);
  if (event.key === "PageUp") return addMonths(date, event.shiftKey ? -12 : -1);
  if (event.key === "PageDown") return addMonths(date, event.shiftKey ? 12 : 1);
  return null;
}

// The calendar. The first click or Enter sets the anchor of a range, the second one its other end.
class Calendar {
  constructor(model, send) {
    this.model = model;
    this.send = send;
    this.anchor = null;
    this.hovered = null;
    this.focused = null;
    this.wantsFocus = false;
    this.months = make("div", { className: "flatnb-calendars" });
    this.element = make("div", { className: "flatnb-calendar" }, this.navigation(), this.months,
      make("div", { className: "flatnb-calendar-legend" }, ...Object.entries(LEGEND).map(([kind, text]) =>
        make("span", {}, make("i", { className: `flatnb-kind-${kind}` }), ` ${text}`))));
    this.months.addEventListener("keydown", (event) => this.onKey(event));
    this.months.addEventListener("click", (event) => {
      const date = event.target.closest?.("button[data-date]")?.dataset.date;
      if (date) this.pick(date);
    });
    this.months.addEventListener("pointerover", (event) => {
      const date = event.target.closest?.("button[data-date]")?.dataset.date;
      if (date && this.anchor) { this.hovered = date; this.paint(); }
    });
  }

  navigation() {
    const presets = make("div", { className: "flatnb-presets", role: "group", aria: { label: "Presets" } },
      ...Object.entries(PRESETS).map(([name, textContent]) => {
        const button = make("button", { type: "button", textContent });
        button.addEventListener("click", () => { this.anchor = null; this.send("preset", { name }); });
        return button;
      }));
    const arrow = (textContent, label, step) => {
      const button = make("button", { type: "button", textContent, className: "flatnb-arrow", aria: { label } });
      button.addEventListener("click", () => this.move(step));
      return button;
    };
    return make("div", { className: "flatnb-navigation" },
      arrow("«", "A year back", -12), arrow("‹", "A month back", -1), presets,
      arrow("›", "A month on", 1), arrow("»", "A year on", 12));
  }

  move(step) {
    const { year, month } = this.model.get("months").at(-1);
    const next = new Date(Date.UTC(year, month - 1 + step, 1));
    this.send("month", { year: next.getUTCFullYear(), month: next.getUTCMonth() + 1 });
  }

  range() {
    const { start, end } = this.model.get("form").values;
    if (!this.anchor) return [start, end];
    return [this.anchor, this.hovered ?? this.anchor].sort();
  }

  // Show the range and the focus on the buttons of the days.
  paint() {
    const [first, last] = this.range();
    for (const button of this.months.querySelectorAll("button[data-date]")) {
      const { date } = button.dataset;
      button.classList.toggle("flatnb-in", date >= first && date <= last);
      button.classList.toggle("flatnb-end", date === first || date === last);
      button.setAttribute("aria-selected", String(date >= first && date <= last));
      button.tabIndex = date === this.focused ? 0 : -1;
    }
  }

  pick(date) {
    const [start, end] = [this.anchor ?? date, date].sort();
    this.anchor = this.anchor ? null : date;
    this.hovered = null;
    this.send("range", { start, end });
    this.focused = date;
    this.paint();
  }

  focus(date) {
    this.focused = date;
    if (this.anchor) this.hovered = date;
    const button = this.months.querySelector(`button[data-date="${date}"]`);
    this.paint();
    if (button) button.focus();
    else {
      const [year, month] = date.split("-").map(Number);
      this.wantsFocus = true;
      this.send("month", { year, month });
    }
  }

  onKey(event) {
    if (!event.target.dataset?.date) return;
    // Until another month has arrived, keys continue from where the focus will be.
    const date = this.wantsFocus ? this.focused : event.target.dataset.date;
    const next = dateAfterKey(event, date);
    if (next) this.focus(next);
    else if (event.key === "Escape") { this.anchor = this.hovered = null; this.paint(); }
    else if (event.key === "Enter" || event.key === " ") this.pick(date);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  draw() {
    const hadFocus = this.months.contains(document.activeElement);
    this.months.replaceChildren(...this.model.get("months").map(makeMonth));
    const shown = [...this.months.querySelectorAll("button[data-date]")].map((button) => button.dataset.date);
    const { end } = this.model.get("form").values;
    if (!shown.includes(this.focused)) this.focused = shown.includes(end) ? end : shown.at(-1);
    this.paint();
    if (hadFocus || this.wantsFocus) this.months.querySelector(`button[data-date="${this.focused}"]`)?.focus();
    this.wantsFocus = false;
  }
}

function makeMonth({ title, lead, days }) {
  const cells = [...Array(lead).fill(null), ...days];
  const weeks = [];
  while (cells.length) weeks.push(cells.splice(0, 7));
  const headers = WEEKDAYS.map((textContent) => make("span", { role: "columnheader", textContent }));
  const row = (children) => make("div", { role: "row", className: "flatnb-week" }, ...children);
  const grid = make("div", { role: "grid", className: "flatnb-grid", aria: { label: title } },
    row(headers), ...weeks.map((week) => row(week.map(makeDay))));
  return make("div", { className: "flatnb-one-month" }, make("div", { className: "flatnb-month-title", textContent: title }), grid);
}

function makeDay(day) {
  if (!day) return make("span", { role: "gridcell" });
  const classes = ["flatnb-date", `flatnb-kind-${day.kind}`];
  if (day.early) classes.push("flatnb-early");
  if (day.today) classes.push("flatnb-today");
  return make("button", {
    type: "button", role: "gridcell", title: day.label, textContent: Number(day.date.slice(8)),
    className: classes.join(" "), data: { date: day.date }, aria: { label: day.label },
  });
}

// What is below the form: the estimate, the buttons, the code, the last load and its message.
class Footer {
  constructor(model, send) {
    this.model = model;
    this.estimate = make("div", { className: "flatnb-estimate", role: "status" });
    this.load = make("button", { type: "button", className: "flatnb-load", textContent: "Load" });
    this.load.addEventListener("click", () => send("load"));
    this.cancel = make("button", { type: "button", textContent: "Cancel", hidden: true });
    this.cancel.addEventListener("click", () => {
      this.cancel.disabled = true;
      send("cancel", { job: model.get("job").number });
    });
    this.code = make("code");
    const copy = make("button", { type: "button", textContent: "Copy" });
    copy.addEventListener("click", async () => {
      // Browsers have no clipboard on pages that are neither HTTPS nor local.
      await navigator.clipboard?.writeText(model.get("code"));
      copy.textContent = "Copied";
      setTimeout(() => { copy.textContent = "Copy"; }, 1500);
    });
    this.buttons = make("div", { className: "flatnb-buttons" }, this.load, this.cancel, make("pre", {}, this.code), copy);
    this.job = make("div");
    this.message = make("div", { className: "flatnb-message", aria: { live: "polite" } });
  }

  drawEstimate() {
    const { text = "estimating …", kind = "" } = this.model.get("estimate");
    this.estimate.textContent = text;
    this.estimate.dataset.kind = kind;
  }

  drawJob() {
    const { html = "", running = false } = this.model.get("job");
    this.job.innerHTML = html;
    this.load.disabled = running;
    this.cancel.hidden = !running;
    if (!running) this.cancel.disabled = false;
  }

  drawMessage() {
    const { kind = "", text = "", details = "" } = this.model.get("message");
    this.message.dataset.kind = kind;
    this.message.replaceChildren(make("div", { textContent: text }));
    if (details) this.message.append(make("details", {}, make("summary", { textContent: "Traceback" }), make("pre", { textContent: details })));
  }

  drawCode() { this.code.textContent = this.model.get("code"); }
}

export default {
  render({ model, el }) {
    el.classList.add("flatnb", "flatnb-picker");
    // Else JupyterLab's single-letter shortcuts would act on what is typed (lmSuppressShortcuts is
    // an attribute of Lumino's command registry).
    el.dataset.lmSuppressShortcuts = "true";
    const send = (action, more = {}) => model.send({ action, ...more });
    const fields = new Fields(model, send);
    const calendar = new Calendar(model, send);
    const footer = new Footer(model, send);
    el.append(
      make("div", { className: "flatnb-head" }, make("b", { textContent: "flatnb picker" }),
        make("span", { className: "flatnb-dim", textContent: "pick days by click or keys: arrows, Page Up and Down, Enter" })),
      fields.dataType,
      make("div", { className: "flatnb-body" }, calendar.element,
        make("div", { className: "flatnb-side" }, fields.days, fields.symbols, fields.contracts, fields.columns, fields.frame)),
      footer.estimate, footer.buttons, footer.job, footer.message);
    const draws = {
      months: () => calendar.draw(),
      form: () => { fields.draw(); calendar.paint(); },
      estimate: () => footer.drawEstimate(),
      job: () => footer.drawJob(),
      message: () => footer.drawMessage(),
      code: () => footer.drawCode(),
    };
    for (const [name, draw] of Object.entries(draws)) {
      model.on(`change:${name}`, draw);
      draw();
    }
    return () => { for (const [name, draw] of Object.entries(draws)) model.off(`change:${name}`, draw); };
  },
};
