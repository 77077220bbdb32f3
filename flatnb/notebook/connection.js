// Whether the kernel hears what a view sends, and what the view says when it does not. This file is
// put before the module of each widget.
const GONE = "kernel gone: run the cell again";
const BUSY = "kernel busy: use ■";
const BUSY_AFTER_MS = 1200;
let views = 0;

class Connection {
  // `onGone` is called once when the kernel has gone, and not before the view is drawn.
  constructor(model, el, onGone = () => {}) {
    this.model = model;
    this.el = el;
    this.onGone = onGone;
    this.isGone = false;
    this.view = `${++views}-${Math.random().toString(36).slice(2)}`;
    this.count = 0;
    this.waiting = new Map();
    this.note = document.createElement("div");
    this.note.className = "flatnb-connection";
    this.note.setAttribute("role", "alert");
    this.hear = (content) => this.onMessage(content);
    this.check = async () => { if (await this.isDisconnected()) this.lose(); else this.recover(); };
    this.follow = (_, status) => { if (["restarting", "autorestarting", "dead"].includes(status)) this.lose(); };
    model.on("msg:custom", this.hear);
    // ipywidgets sets comm_live to false when the kernel restarts (ManagerBase.disconnect).
    model.on("comm_live_update", this.check);
    // A kernel that died and was started again by itself is no "restart" to ipywidgets' manager.
    this.kernel?.statusChanged?.connect(this.follow);
    this.isDisconnected().then((isDisconnected) => { if (isDisconnected) this.lose(); });
  }

  get kernel() {
    try { return this.model.widget_manager?.kernel; } catch { return undefined; }
  }

  // Where a front end does not say, the widget is taken to be connected.
  async isDisconnected() {
    try {
      const own = await this.model.widget_manager?.get_model?.(this.model.get("key"));
      return own?.comm_live === false;
    } catch {
      return true;  // the manager has forgotten it
    }
  }

  // Send a message; `onHeard` is called when the kernel has handled it.
  send(message, { onHeard = () => {}, onBusy = () => {}, busyText = BUSY } = {}) {
    if (this.isGone) return;
    const token = `${this.view}:${++this.count}`;
    try {
      this.model.send({ ...message, token });
    } catch {
      this.lose();
      return;
    }
    this.waiting.set(token, onHeard);
    setTimeout(() => {
      if (this.isGone || !this.waiting.has(token)) return;
      onBusy();
      // An idle kernel that does not answer does not know this widget.
      if (this.kernel?.status === "idle") this.lose();
      else this.say(busyText, "busy");
    }, BUSY_AFTER_MS);
  }

  onMessage(content) {
    const onHeard = this.waiting.get(content?.heard);
    if (!onHeard) return;
    this.waiting.delete(content.heard);
    if (!this.waiting.size && !this.isGone) this.say("", "");
    onHeard();
  }

  say(text, kind) {
    this.note.textContent = text;
    this.note.dataset.kind = kind;
  }

  lose() {
    if (this.isGone) return;
    this.isGone = true;
    this.waiting.clear();
    this.say(GONE, "gone");
    this.el.classList.add("flatnb-gone");
    this.onGone(true);
  }

  // A lost network connection to a kernel that still runs comes back.
  recover() {
    if (!this.isGone) return;
    this.isGone = false;
    this.say("", "");
    this.el.classList.remove("flatnb-gone");
    this.onGone(false);
  }

  close() {
    this.model.off("msg:custom", this.hear);
    this.model.off("comm_live_update", this.check);
    this.kernel?.statusChanged?.disconnect(this.follow);
  }
}
