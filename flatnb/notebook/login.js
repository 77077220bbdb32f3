// The keys leave this page once, as a message to the kernel; the fields are emptied then.
function field(form, text, name) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  Object.assign(input, { type: "password", name, required: true, spellcheck: false });
  input.autocomplete = "off";
  label.append(text, input);
  form.append(label);
  return input;
}

export default {
  render({ model, el }) {
    el.classList.add("flatnb", SCOPE);
    const title = document.createElement("b");
    title.textContent = "flatnb login";
    const note = document.createElement("div");
    note.className = "flatnb-dim";
    note.textContent =
      "The S3 keys of the vendor's dashboard, not the API key. They go to the kernel's memory, never into the notebook.";
    const form = document.createElement("form");
    const access = field(form, "S3 access key id", "access");
    const secret = field(form, "S3 secret access key", "secret");
    const store = document.createElement("input");
    store.type = "checkbox";
    if (model.get("can_store")) {
      const label = document.createElement("label");
      label.className = "flatnb-check";
      label.append(store, " store them in this computer's keyring");
      form.append(label);
    }
    const button = document.createElement("button");
    button.textContent = "Use these keys";
    form.append(button);
    const message = document.createElement("div");
    message.setAttribute("role", "status");
    el.append(title, note, form, message);

    // Else JupyterLab's single-letter shortcuts would act on what is typed (lmSuppressShortcuts is
    // an attribute of Lumino's command registry).
    el.dataset.lmSuppressShortcuts = "true";
    const submit = (event) => {
      event.preventDefault();
      event.stopPropagation();
      model.send({ access: access.value, secret: secret.value, store: store.checked });
      form.reset();
    };
    const update = () => {
      const refused = model.get("state") === "refused";
      message.textContent = model.get("message");
      message.className = refused ? "flatnb-bad" : "";
      if (model.get("state") === "done") form.remove();
    };
    // JupyterLab prevents the default action of Enter, with which the browser would submit the form.
    const enter = (event) => {
      if (event.key !== "Enter" || event.target.type === "checkbox") return;
      event.preventDefault();
      form.requestSubmit(button);
    };
    form.addEventListener("keydown", enter);
    form.addEventListener("submit", submit);
    model.on("change:state change:message", update);
    update();
    return () => model.off("change:state change:message", update);
  },
};
