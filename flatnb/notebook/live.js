// Shows the HTML that the kernel makes. Only nodes that differ are changed: replacing all of them
// would take the focus from a button and a screen reader's position several times a second.
function sync(now, next) {
  if (now.nodeType !== next.nodeType || now.nodeName !== next.nodeName) {
    now.replaceWith(next.cloneNode(true));
  } else if (next.nodeType === Node.TEXT_NODE) {
    if (now.nodeValue !== next.nodeValue) now.nodeValue = next.nodeValue;
  } else if (next.nodeType === Node.ELEMENT_NODE) {
    for (const { name } of [...now.attributes]) {
      if (!next.hasAttribute(name)) now.removeAttribute(name);
    }
    for (const { name, value } of next.attributes) {
      if (now.getAttribute(name) !== value) now.setAttribute(name, value);
    }
    syncChildren(now, next);
  }
}

function syncChildren(now, next) {
  while (now.childNodes.length > next.childNodes.length) now.lastChild.remove();
  [...next.childNodes].forEach((child, index) => {
    const old = now.childNodes[index];
    if (old) sync(old, child);
    else now.append(child.cloneNode(true));
  });
}

export default {
  render({ model, el }) {
    el.classList.add("flatnb", SCOPE);
    const content = document.createElement("div");
    const update = () => {
      const template = document.createElement("template");
      template.innerHTML = model.get("html");
      if (connection.isGone) showAsGone(template.content);
      syncChildren(content, template.content);
    };
    const connection = new Connection(model, el, update);
    el.append(connection.note, content);
    const click = (event) => {
      const button = event.target.closest("button[data-action]");
      if (!button) return;
      button.disabled = true;
      connection.send({ action: button.dataset.action, id: button.dataset.id }, {
        onBusy: () => { button.disabled = false; },
      });
    };
    model.on("change:html", update);
    content.addEventListener("click", click);
    update();
    return () => {
      connection.close();
      model.off("change:html", update);
    };
  },
};

// What was under way ended with the kernel: nothing is loading any more, and nothing can be cancelled.
function showAsGone(content) {
  for (const button of content.querySelectorAll("button")) button.remove();
  for (const state of content.querySelectorAll(".flatnb-state")) {
    state.textContent = "kernel gone";
    state.className = "flatnb-state flatnb-failed";
  }
}
