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

export default {
  render({ model, el }) {
    el.classList.add("flatnb", "flatnb-picker");
    // Else JupyterLab's single-letter shortcuts would act on what is typed (lmSuppressShortcuts is
    // an attribute of Lumino's command registry).
    el.dataset.lmSuppressShortcuts = "true";
    const send = (action, more = {}) => model.send({ action, ...more });
    const set = (name, value) => send("set", { name, value });
    let anchor = null;
    let hovered = null;
    let focused = null;

    // The fields

    const inputs = {};
    const field = (name, text, attributes = {}) => {
      inputs[name] = make("input", { type: "text", spellcheck: false, autocomplete: "off", ...attributes });
      inputs[name].addEventListener("change", () => set(name, inputs[name].value));
      return labelled(text, inputs[name]);
    };
    const select = (name, text, choices) => {
      inputs[name] = make("select", {}, ...choices.map(([value, label]) => make("option", { value, textContent: label })));
      inputs[name].addEventListener("change", () => set(name, inputs[name].value));
      return labelled(text, inputs[name]);
    };

    inputs.data_type = make("select", {}, ...model.get("groups").map(({ group, items }) =>
      make("optgroup", { label: group }, ...items.map(({ name, contents }) =>
        make("option", { value: name, textContent: `${name} – ${contents}` })))));
    inputs.data_type.addEventListener("change", () => set("data_type", inputs.data_type.value));
    const day = { placeholder: "YYYY-MM-DD", size: 11 };
    const start = field("start", "From", day);
    const end = field("end", "To (inclusive)", day);
    inputs.symbols = make("textarea", { rows: 2, spellcheck: false, placeholder: "all – or AAPL, MSFT BRK.B …" });
    inputs.symbols.addEventListener("change", () => set("symbols", inputs.symbols.value));
    const options = make("fieldset", { className: "flatnb-options" }, make("legend", { textContent: "Contracts" }),
      field("underlyings", "Underlyings", { placeholder: "SPY …" }),
      field("expiry_from", "Expiry from", day), field("expiry_to", "to", day),
      field("strike_from", "Strike from", { size: 7 }), field("strike_to", "to", { size: 7 }),
      select("option_type", "Type", [["", "calls and puts"], ["call", "calls"], ["put", "puts"]]));
    const columns = make("div", { className: "flatnb-columns" });
    const columnsTitle = make("summary");
    const frame = select("frame", "Frame", [["polars", "polars"], ["pandas", "pandas"]]);

    // The calendar

    const presets = make("div", { className: "flatnb-presets", role: "group", aria: { label: "Presets" } },
      ...Object.entries(PRESETS).map(([name, textContent]) => {
        const button = make("button", { type: "button", textContent });
        button.addEventListener("click", () => { anchor = null; send("preset", { name }); });
        return button;
      }));
    const go = (step) => {
      const { year, month } = model.get("months").at(-1);
      const next = new Date(Date.UTC(year, month - 1 + step, 1));
      send("month", { year: next.getUTCFullYear(), month: next.getUTCMonth() + 1 });
    };
    const arrow = (textContent, label, step) => {
      const button = make("button", { type: "button", textContent, className: "flatnb-arrow", aria: { label } });
      button.addEventListener("click", () => go(step));
      return button;
    };
    const months = make("div", { className: "flatnb-calendars" });
    const calendar = make("div", { className: "flatnb-calendar" },
      make("div", { className: "flatnb-navigation" },
        arrow("«", "A year back", -12), arrow("‹", "A month back", -1), presets,
        arrow("›", "A month on", 1), arrow("»", "A year on", 12)),
      months,
      make("div", { className: "flatnb-calendar-legend" }, ...Object.entries(LEGEND).map(([kind, text]) =>
        make("span", {}, make("i", { className: `flatnb-kind-${kind}` }), ` ${text}`))));

    const range = () => {
      const { start, end } = model.get("form").values;
      if (!anchor) return [start, end];
      const other = hovered ?? anchor;
      return anchor < other ? [anchor, other] : [other, anchor];
    };
    const paint = () => {
      const [first, last] = range();
      for (const button of months.querySelectorAll("button[data-date]")) {
        const { date } = button.dataset;
        button.classList.toggle("flatnb-in", date >= first && date <= last);
        button.classList.toggle("flatnb-end", date === first || date === last);
        button.setAttribute("aria-selected", String(date >= first && date <= last));
        button.tabIndex = date === focused ? 0 : -1;
      }
    };
    const pick = (date) => {
      if (anchor) {
        const [first, last] = anchor < date ? [anchor, date] : [date, anchor];
        anchor = hovered = null;
        send("range", { start: first, end: last });
      } else {
        anchor = date;
        send("range", { start: date, end: date });
      }
      focused = date;
      paint();
    };
    const move = (date, days) => {
      const next = new Date(`${date}T00:00:00Z`);
      next.setUTCDate(next.getUTCDate() + days);
      return next.toISOString().slice(0, 10);
    };
    const moveMonths = (date, step) => {
      const [year, month, number] = date.split("-").map(Number);
      const last = new Date(Date.UTC(year, month + step, 0)).getUTCDate();
      return new Date(Date.UTC(year, month - 1 + step, Math.min(number, last))).toISOString().slice(0, 10);
    };
    const focus = (date) => {
      focused = date;
      if (anchor) hovered = date;
      const button = months.querySelector(`button[data-date="${date}"]`);
      paint();
      if (button) button.focus();
      else {
        const [year, month] = date.split("-").map(Number);
        wantsFocus = true;
        send("month", { year, month });
      }
    };
    let wantsFocus = false;
    const STEPS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 };
    months.addEventListener("keydown", (event) => {
      if (!event.target.dataset?.date) return;
      // Until another month has arrived, keys continue from where the focus will be.
      const date = wantsFocus ? focused : event.target.dataset.date;
      const weekday = (new Date(`${date}T00:00:00Z`).getUTCDay() + 6) % 7;
      let next = null;
      if (event.key in STEPS) next = move(date, STEPS[event.key]);
      else if (event.key === "Home") next = move(date, -weekday);
      else if (event.key === "End") next = move(date, 6 - weekday);
      else if (event.key === "PageUp") next = moveMonths(date, event.shiftKey ? -12 : -1);
      else if (event.key === "PageDown") next = moveMonths(date, event.shiftKey ? 12 : 1);
      else if (event.key === "Escape") { anchor = hovered = null; paint(); }
      else if (event.key === "Enter" || event.key === " ") pick(date);
      else return;
      event.preventDefault();
      event.stopPropagation();
      if (next) focus(next);
    });
    months.addEventListener("click", (event) => {
      const date = event.target.closest?.("button[data-date]")?.dataset.date;
      if (date) pick(date);
    });
    months.addEventListener("pointerover", (event) => {
      const date = event.target.closest?.("button[data-date]")?.dataset.date;
      if (date && anchor) { hovered = date; paint(); }
    });

    const drawMonths = () => {
      const had = months.contains(document.activeElement);
      months.replaceChildren(...model.get("months").map(({ title, lead, days }) => {
        const cells = [...Array(lead).fill(null), ...days];
        const weeks = [];
        while (cells.length) weeks.push(cells.splice(0, 7));
        const grid = make("div", { role: "grid", className: "flatnb-grid", aria: { label: title } },
          make("div", { role: "row", className: "flatnb-week" }, ...WEEKDAYS.map((textContent) =>
            make("span", { role: "columnheader", textContent }))),
          ...weeks.map((week) => make("div", { role: "row", className: "flatnb-week" }, ...week.map((day) =>
            day ? make("button", {
              type: "button", role: "gridcell", title: day.label, textContent: Number(day.date.slice(8)),
              className: `flatnb-date flatnb-kind-${day.kind}${day.early ? " flatnb-early" : ""}${day.today ? " flatnb-today" : ""}`,
              data: { date: day.date }, aria: { label: day.label },
            }) : make("span", { role: "gridcell" })))));
        return make("div", { className: "flatnb-one-month" }, make("div", { className: "flatnb-month-title", textContent: title }), grid);
      }));
      const shown = [...months.querySelectorAll("button[data-date]")].map((button) => button.dataset.date);
      const { end } = model.get("form").values;
      if (!shown.includes(focused)) focused = shown.includes(end) ? end : shown.at(-1);
      paint();
      if (had || wantsFocus) months.querySelector(`button[data-date="${focused}"]`)?.focus();
      wantsFocus = false;
    };

    // Below the fields

    const estimate = make("div", { className: "flatnb-estimate", role: "status" });
    const load = make("button", { type: "button", className: "flatnb-load", textContent: "Load" });
    load.addEventListener("click", () => send("load"));
    const cancel = make("button", { type: "button", textContent: "Cancel", hidden: true });
    cancel.addEventListener("click", () => {
      cancel.disabled = true;
      send("cancel", { job: model.get("job").number });
    });
    const code = make("code");
    const copy = make("button", { type: "button", textContent: "Copy" });
    copy.addEventListener("click", async () => {
      await navigator.clipboard?.writeText(model.get("code"));
      copy.textContent = "Copied";
      setTimeout(() => { copy.textContent = "Copy"; }, 1500);
    });
    const job = make("div");
    const message = make("div", { className: "flatnb-message", aria: { live: "polite" } });

    el.append(
      make("div", { className: "flatnb-head" }, make("b", { textContent: "flatnb picker" }),
        make("span", { className: "flatnb-dim", textContent: "pick days by click or keys: arrows, Page Up and Down, Enter" })),
      labelled("Data", inputs.data_type, "flatnb-wide"),
      make("div", { className: "flatnb-body" }, calendar,
        make("div", { className: "flatnb-side" },
          make("div", { className: "flatnb-pair" }, start, end),
          labelled("Symbols", inputs.symbols), options,
          make("details", {}, columnsTitle, columns), frame)),
      estimate,
      make("div", { className: "flatnb-buttons" }, load, cancel, make("pre", {}, code), copy),
      job, message);

    const drawForm = () => {
      const { values, columns: all, options: isOptions } = model.get("form");
      for (const [name, value] of Object.entries(values)) {
        const input = inputs[name];
        if (input && input.value !== value && (input !== document.activeElement || input.tagName === "SELECT")) input.value = value;
      }
      options.hidden = !isOptions;
      const chosen = values.columns;
      columnsTitle.textContent = chosen.length ? `${chosen.length} of ${all.length} columns` : "All columns";
      columns.replaceChildren(...all.map((name) => {
        const box = make("input", { type: "checkbox", checked: !chosen.length || chosen.includes(name) });
        box.addEventListener("change", () => {
          const now = new Set(chosen.length ? chosen : all);
          if (box.checked) now.add(name); else now.delete(name);
          const selected = all.filter((each) => now.has(each));
          set("columns", selected.length === all.length ? [] : selected);
        });
        return make("label", {}, box, ` ${name}`);
      }));
      paint();
    };
    const drawEstimate = () => {
      const { text = "estimating …", kind = "" } = model.get("estimate");
      estimate.textContent = text;
      estimate.dataset.kind = kind;
    };
    const drawJob = () => {
      const { html = "", running = false } = model.get("job");
      job.innerHTML = html;
      load.disabled = running;
      cancel.hidden = !running;
      if (!running) cancel.disabled = false;
    };
    const drawMessage = () => {
      const { kind = "", text = "", details = "" } = model.get("message");
      message.dataset.kind = kind;
      message.replaceChildren(make("div", { textContent: text }));
      if (details) message.append(make("details", {}, make("summary", { textContent: "Traceback" }), make("pre", { textContent: details })));
    };
    const drawCode = () => { code.textContent = model.get("code"); };
    const parts = { form: drawForm, months: drawMonths, estimate: drawEstimate, job: drawJob, message: drawMessage, code: drawCode };
    for (const [name, draw] of Object.entries(parts)) {
      model.on(`change:${name}`, draw);
    }
    drawMonths();
    drawForm();
    drawEstimate();
    drawJob();
    drawMessage();
    drawCode();
    return () => { for (const [name, draw] of Object.entries(parts)) model.off(`change:${name}`, draw); };
  },
};
