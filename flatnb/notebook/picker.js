// Draws the form, the calendar and the kernel's messages. Every change is sent to the kernel as a
// message, which replies with new traits. Only a range with one end chosen is state of the page.
const WEEKDAYS = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];
const PRESETS = { day: "Day", week: "Week", month: "1M", quarter: "3M", ytd: "YTD", year: "1Y", five_years: "5Y", all: "All" };
const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const LEGEND = { open: "in the bucket", cached: "cached", missing: "missing", late: "not published yet", closed: "closed" };

function make(name, properties = {}, ...children) {
  const { data, aria, ...others } = properties;
  const element = Object.assign(document.createElement(name), others);
  Object.assign(element.dataset, data);
  for (const [key, value] of Object.entries(aria ?? {})) element.setAttribute(`aria-${key}`, value);
  element.append(...children);
  return element;
}

const labelled = (text, input, className = "") => make("label", { className }, make("span", { textContent: text }), input);

// What was chosen here and not heard by the kernel yet, over what the kernel has. So nothing is lost
// by clicks that follow each other faster than the kernel answers, or while it is busy.
class Draft {
  constructor(model, connection, redraw) {
    Object.assign(this, { model, connection, redraw, pending: new Map() });
  }

  get values() {
    return { ...this.model.get("form").values, ...Object.fromEntries([...this.pending].map(([name, each]) => [name, each.value])) };
  }

  send(message, changes) {
    const entries = Object.entries(changes).map(([name, value]) => [name, { value }]);
    for (const [name, entry] of entries) this.pending.set(name, entry);
    this.connection.send(message, {
      busyText: "kernel busy: your choice is kept and takes effect when it is free; ■ stops the kernel",
      onHeard: () => {
        for (const [name, entry] of entries) if (this.pending.get(name) === entry) this.pending.delete(name);
        this.redraw();
      },
    });
    this.redraw();
  }

  set(name, value) { this.send({ action: "set", name, value }, { [name]: value }); }
}

// The fields. `draw` shows the draft, except in a field that is being typed in.
class Fields {
  constructor(model, draft, send) {
    Object.assign(this, { model, draft, inputs: {}, typing: new Set() });
    const day = { placeholder: "YYYY-MM-DD", size: 11 };
    this.dataType = labelled("Data", this.input("data_type", this.dataTypes()), "flatnb-wide");
    this.days = make("div", { className: "flatnb-pair" },
      this.text("start", "From", day), this.text("end", "To (inclusive)", day));
    const symbols = this.input("symbols", make("textarea",
      { rows: 2, spellcheck: false, autocomplete: "off", placeholder: "all – or AAPL, MSFT BRK.B …" }));
    this.completer = new Completer(symbols, (prefix) => send("complete", { prefix }));
    this.unknown = make("div", { className: "flatnb-unknown", role: "status" });
    this.symbols = make("div", { className: "flatnb-symbols" }, labelled("Symbols", symbols), this.completer.list,
      this.errorOf("symbols"), this.unknown);
    this.contracts = make("fieldset", { className: "flatnb-options" }, make("legend", { textContent: "Contracts" }),
      this.text("underlyings", "Underlyings", { placeholder: "SPY …" }),
      this.text("expiry_from", "Expiry from", day), this.text("expiry_to", "to", day),
      this.text("strike_from", "Strike from", { size: 7 }), this.text("strike_to", "to", { size: 7 }),
      this.select("option_type", "Type", [["", "calls and puts"], ["call", "calls"], ["put", "puts"]]));
    this.columnBoxes = make("div", { className: "flatnb-columns" });
    this.columnsTitle = make("summary");
    this.columns = make("details", {}, this.columnsTitle, this.columnBoxes);
    const titles = { tz: "Time zone", hours: "Hours", adjust: "Adjust prices" };
    this.rest = make("div", { className: "flatnb-pair" }, this.select("frame", "Frame", [["polars", "polars"], ["pandas", "pandas"]]),
      ...Object.entries(model.get("choices")).map(([name, choices]) => this.select(name, titles[name] ?? name, choices)));
  }

  dataTypes() {
    return make("select", {}, ...this.model.get("groups").map(({ group, items }) =>
      make("optgroup", { label: group }, ...items.map(({ name, contents }) =>
        make("option", { value: name, textContent: `${name} – ${contents}` })))));
  }

  input(name, element) {
    this.inputs[name] = element;
    const commit = () => {
      if (!this.typing.delete(name) && element.tagName !== "SELECT") return;
      this.draft.set(name, element.value);
    };
    element.addEventListener("input", () => { if (element.tagName !== "SELECT") this.typing.add(name); });
    element.addEventListener("change", commit);
    element.addEventListener("keydown", (event) => {
      // JupyterLab prevents the default action of Enter, with which a browser reports a change.
      if (event.key === "Enter" && element.tagName === "INPUT") {
        commit();
        event.preventDefault();
        event.stopPropagation();
      } else if (event.key === "Escape" && !event.defaultPrevented && this.typing.delete(name)) {
        element.value = this.draft.values[name];
        event.preventDefault();
        event.stopPropagation();
      }
    });
    return element;
  }

  errorOf(name) {
    const error = make("div", { className: "flatnb-error", hidden: true });
    error.id = `flatnb-error-${Math.random().toString(36).slice(2)}`;
    this.errors = { ...this.errors, [name]: error };
    return error;
  }

  text(name, label, attributes = {}) {
    const properties = { type: "text", spellcheck: false, autocomplete: "off", ...attributes };
    return make("div", {}, labelled(label, this.input(name, make("input", properties))), this.errorOf(name));
  }

  select(name, label, choices) {
    const options = choices.map(([value, textContent]) => make("option", { value, textContent }));
    return make("div", {}, labelled(label, this.input(name, make("select", {}, ...options))), this.errorOf(name));
  }

  draw() {
    const { columns, options } = this.model.get("form");
    const values = this.draft.values;
    for (const [name, value] of Object.entries(values)) {
      const input = this.inputs[name];
      if (!input || input.value === value || this.typing.has(name)) continue;
      // A zone that is not in the list was set from code.
      if (input.tagName === "SELECT" && ![...input.options].some((each) => each.value === value)) input.append(make("option", { value, textContent: value }));
      input.value = value;
    }
    this.contracts.hidden = !options;
    this.drawColumns(columns, values.columns);
  }

  drawErrors() {
    const errors = this.model.get("errors");
    for (const [name, element] of Object.entries(this.errors)) {
      const text = errors[name] ?? "";
      element.textContent = text;
      element.hidden = !text;
      const input = this.inputs[name];
      if (text) {
        input.setAttribute("aria-invalid", "true");
        input.setAttribute("aria-describedby", element.id);
      } else {
        input.removeAttribute("aria-invalid");
        input.removeAttribute("aria-describedby");
      }
    }
  }

  drawUnknown() {
    const { names = [], day = "", nearest = {} } = this.model.get("unknown");
    const described = names.map((name) => (nearest[name] ? `${name} (${nearest[name]}?)` : name));
    this.unknown.textContent = names.length ? `not in the file of ${day}: ${described.join(", ")}` : "";
  }

  // No selected column stands for all columns. The boxes stay the same, so that they keep the focus.
  drawColumns(all, selected) {
    this.columnsTitle.textContent = selected.length ? `${selected.length} of ${all.length} columns` : "All columns";
    if (this.drawnColumns !== all.join()) {
      this.drawnColumns = all.join();
      this.columnBoxes.replaceChildren(...all.map((name) => this.columnBox(name, all)));
    }
    for (const box of this.columnBoxes.querySelectorAll("input")) {
      box.checked = !selected.length || selected.includes(box.value);
      // Without any column there would be nothing to load.
      box.disabled = box.checked && (selected.length || all.length) === 1;
    }
  }

  columnBox(name, all) {
    const box = make("input", { type: "checkbox", value: name });
    box.addEventListener("change", () => {
      const selected = this.draft.values.columns;
      const now = new Set(selected.length ? selected : all);
      if (box.checked) now.add(name); else now.delete(name);
      const ordered = all.filter((each) => now.has(each));
      this.draft.set("columns", ordered.length === all.length ? [] : ordered);
    });
    return make("label", {}, box, ` ${name}`);
  }
}

// Offers tickers for the word before the cursor, by the WAI-ARIA pattern for a list box.
class Completer {
  constructor(input, ask) {
    Object.assign(this, { input, ask, names: [], at: 0 });
    this.list = make("div", { className: "flatnb-completions", role: "listbox", hidden: true, aria: { label: "Tickers" } });
    input.addEventListener("input", () => { this.close(); if (this.word()) this.ask(this.word()); });
    input.addEventListener("blur", () => this.close());
    // Before the field's own handler: Enter and Escape belong to the open list.
    input.addEventListener("keydown", (event) => this.onKey(event), true);
    this.list.addEventListener("mousedown", (event) => {
      event.preventDefault();  // the field keeps the focus
      const name = event.target.dataset?.name;
      if (name) this.take(name);
    });
  }

  word() { return /[^\s,;]*$/.exec(this.input.value.slice(0, this.input.selectionStart))[0]; }

  offer(prefix, names) {
    if (document.activeElement !== this.input || prefix !== this.word() || (names.length === 1 && names[0] === prefix)) return;
    Object.assign(this, { names, at: 0 });
    this.draw();
  }

  draw() {
    this.list.hidden = !this.names.length;
    this.list.replaceChildren(...this.names.map((name, index) => make("div",
      { role: "option", textContent: name, data: { name }, aria: { selected: String(index === this.at) } })));
  }

  close() { this.names = []; this.draw(); }

  onKey(event) {
    if (!this.names.length) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      this.at = (this.at + (event.key === "ArrowDown" ? 1 : -1) + this.names.length) % this.names.length;
      this.draw();
    } else if (event.key === "Enter" || event.key === "Tab") this.take(this.names[this.at]);
    else if (event.key === "Escape") this.close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  take(name) {
    const at = this.input.selectionStart;
    const before = this.input.value.slice(0, at - this.word().length) + name;
    const after = this.input.value.slice(at);
    this.input.value = before + after;
    this.input.setSelectionRange(before.length, before.length);
    this.close();
    this.input.dispatchEvent(new Event("change"));
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
  constructor(model, draft, connection) {
    this.model = model;
    this.draft = draft;
    this.connection = connection;
    this.anchor = null;
    this.before = null;
    this.wanted = null;
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
        button.addEventListener("click", () => { this.anchor = null; this.connection.send({ action: "preset", name }); });
        return button;
      }));
    const arrow = (textContent, label, step) => {
      const button = make("button", { type: "button", textContent, className: "flatnb-arrow", aria: { label } });
      button.addEventListener("click", () => this.move(step));
      return button;
    };
    const choose = (label, options) => {
      const select = make("select", { aria: { label } }, ...options);
      select.addEventListener("change", () => this.show(Number(this.year.value), Number(this.month.value)));
      return select;
    };
    this.month = choose("Month", MONTHS.map((textContent, index) => make("option", { value: index + 1, textContent })));
    this.year = choose("Year", []);
    return make("div", {},
      make("div", { className: "flatnb-navigation" },
        arrow("«", "A year back", -12), arrow("‹", "A month back", -1), this.month, this.year,
        arrow("›", "A month on", 1), arrow("»", "A year on", 12)),
      presets);
  }

  move(step) {
    const { year, month } = this.wanted ?? this.model.get("months").at(-1);
    const next = new Date(Date.UTC(year, month - 1 + step, 1));
    this.show(next.getUTCFullYear(), next.getUTCMonth() + 1);
  }

  // Clicks that come before the kernel's answer go on from the month that was asked for last.
  show(year, month) {
    const wanted = this.wanted = { year, month };
    this.connection.send({ action: "month", year, month }, {
      onHeard: () => { if (this.wanted === wanted) this.wanted = null; this.drawNavigation(); },
    });
    this.drawNavigation();
  }

  drawNavigation() {
    const { year, month } = this.wanted ?? this.model.get("months").at(-1);
    const first = Math.min(year, this.model.get("form").first_year);
    const last = Math.max(year, new Date().getFullYear());
    if (this.years !== `${first}-${last}`) {
      this.years = `${first}-${last}`;
      this.year.replaceChildren(...Array.from({ length: last - first + 1 }, (_, index) =>
        make("option", { value: last - index, textContent: last - index })));
    }
    this.month.value = month;
    this.year.value = year;
  }

  range() {
    const { start, end } = this.draft.values;
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
    const { start: first, end: last } = this.draft.values;
    const [start, end] = [this.anchor ?? date, date].sort();
    this.before = this.anchor ? null : { start: first, end: last };
    this.anchor = this.anchor ? null : date;
    this.hovered = null;
    this.draft.send({ action: "range", start, end }, { start, end });
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
      this.show(year, month);
    }
  }

  onKey(event) {
    if (!event.target.dataset?.date) return;
    // Until another month has arrived, keys continue from where the focus will be.
    const date = this.wantsFocus ? this.focused : event.target.dataset.date;
    const next = dateAfterKey(event, date);
    if (next) this.focus(next);
    else if (event.key === "Escape" && this.anchor) this.restore();
    else if (event.key === "Enter" || event.key === " ") this.pick(date);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // Back to the range before the first of two clicks.
  restore() {
    const { start, end } = this.before;
    this.anchor = this.hovered = this.before = null;
    // Each by itself: what was typed may be no date.
    this.draft.set("start", start);
    this.draft.set("end", end);
  }

  draw() {
    this.drawNavigation();
    const hadFocus = this.months.contains(document.activeElement);
    this.months.replaceChildren(...this.model.get("months").map(makeMonth));
    const shown = [...this.months.querySelectorAll("button[data-date]")].map((button) => button.dataset.date);
    const { end } = this.draft.values;
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
  constructor(model, connection) {
    this.model = model;
    this.estimate = make("div", { className: "flatnb-estimate", role: "status" });
    this.load = make("button", { type: "button", className: "flatnb-load", textContent: "Load" });
    this.load.addEventListener("click", () => connection.send({ action: "load" }));
    this.cancel = make("button", { type: "button", textContent: "Cancel", hidden: true });
    this.cancel.addEventListener("click", () => {
      this.cancel.disabled = true;
      connection.send({ action: "cancel", job: model.get("job").number }, {
        onBusy: () => { this.cancel.disabled = false; },
      });
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

  // Each argument stays whole, so that the line wraps at commas.
  drawCode() {
    const parts = this.model.get("code").split(/(?<=,) /);
    this.code.replaceChildren(...parts.flatMap((textContent, index) =>
      [...(index ? [" "] : []), make("span", { textContent })]));
  }
}

export default {
  render({ model, el }) {
    el.classList.add("flatnb", "flatnb-picker", SCOPE);
    // The page hides the line of code that a saved notebook shows while it has this.
    el.dataset.flatnbView = model.get("key");
    // Else JupyterLab's single-letter shortcuts would act on what is typed (lmSuppressShortcuts is
    // an attribute of Lumino's command registry).
    el.dataset.lmSuppressShortcuts = "true";
    const whenGone = (isGone) => {
      for (const control of el.querySelectorAll("button, input, select, textarea")) control.disabled = isGone;
      // What was loading ended with the kernel.
      if (isGone) footer.job.replaceChildren();
      else for (const draw of Object.values(draws)) draw();
    };
    const connection = new Connection(model, el, whenGone);
    const send = (action, more = {}) => connection.send({ action, ...more });
    const draft = new Draft(model, connection, () => draws.form());
    const fields = new Fields(model, draft, send);
    const calendar = new Calendar(model, draft, connection);
    const footer = new Footer(model, connection);
    el.append(
      make("div", { className: "flatnb-head" }, make("b", { textContent: "flatnb picker" }),
        make("span", { className: "flatnb-dim", textContent: "pick days by click or keys: arrows, Page Up and Down, Enter" })),
      connection.note,
      fields.dataType,
      make("div", { className: "flatnb-body" }, calendar.element,
        make("div", { className: "flatnb-side" }, fields.days, fields.symbols, fields.contracts, fields.columns, fields.rest)),
      footer.estimate, footer.buttons, footer.job, footer.message);
    const draws = {
      months: () => calendar.draw(),
      form: () => { fields.draw(); calendar.drawNavigation(); calendar.paint(); },
      errors: () => fields.drawErrors(),
      unknown: () => fields.drawUnknown(),
      estimate: () => footer.drawEstimate(),
      job: () => footer.drawJob(),
      message: () => footer.drawMessage(),
      code: () => footer.drawCode(),
    };
    const onMessage = ({ prefix, completions }) => { if (completions) fields.completer.offer(prefix, completions); };
    model.on("msg:custom", onMessage);
    for (const [name, draw] of Object.entries(draws)) {
      model.on(`change:${name}`, draw);
      draw();
    }
    return () => {
      connection.close();
      model.off("msg:custom", onMessage);
      for (const [name, draw] of Object.entries(draws)) model.off(`change:${name}`, draw);
    };
  },
};
