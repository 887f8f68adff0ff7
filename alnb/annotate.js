// One question: images, a button for each answer, the same keys. It stays focused, so that keys go on answering.
function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "alnb-annotate";
  root.tabIndex = 0;
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "A question about images");
  root.innerHTML = `
    <p class="text" aria-live="polite"></p>
    <div class="images"></div>
    <div class="choices" role="group" aria-label="Answers"></div>
    <progress max="1" value="0" aria-label="Share of the run that is done"></progress>
    <p class="message" role="status"></p>
    <p class="hint">Keys work while this box has the focus (click it, or press Tab).</p>`;
  const find = (name) => root.querySelector("." + name);
  el.append(root);

  let answered = 0; // the number of the question that was answered here: a second click is none
  const SETTLED = 300; // ms for which a new question takes no click: the second of a double click is of the last one
  let shown = 0, hidden = 0, left = null; // seconds that the tab was hidden do not count

  function watch() {
    if (document.hidden) left = performance.now();
    else if (left !== null) { hidden += performance.now() - left; left = null; }
  }
  document.addEventListener("visibilitychange", watch);

  function button(label, key, press) {
    const made = document.createElement("button");
    made.type = "button";
    made.innerHTML = `<span></span> <kbd></kbd>`;
    made.querySelector("span").textContent = label;
    made.querySelector("kbd").textContent = key;
    made.setAttribute("aria-keyshortcuts", key);
    made.addEventListener("click", ({ detail }) => { // detail: 0 where a key pressed the button
      if (!detail || performance.now() - shown >= SETTLED) press();
      root.focus({ preventScroll: true });
    });
    return made;
  }

  function answer(choice) {
    const asked = model.get("asked");
    if (model.get("status") !== "asking" || asked.number === answered) return;
    answered = asked.number;
    model.send({ number: asked.number, choice, seconds: (performance.now() - shown - hidden) / 1000 });
    enable();
  }

  function undo() {
    if (model.get("status") === "asking" && model.get("undoable")) { answered = 0; model.send({ undo: true }); }
  }

  function enable() {
    const asked = model.get("asked");
    const open = model.get("status") === "asking" && asked.number !== answered;
    for (const one of find("choices").querySelectorAll("button")) one.disabled = !open;
    const last = find("choices").querySelector(".undo");
    if (last) last.disabled = !(open && model.get("undoable"));
  }

  function draw() {
    const asked = model.get("asked");
    if (asked.number === undefined) return;
    find("text").textContent = asked.text;
    find("images").replaceChildren(...asked.images.map(({ caption, source }) => {
      const figure = document.createElement("figure");
      const image = document.createElement("img");
      const under = document.createElement("figcaption");
      image.src = source;
      image.alt = caption;
      under.textContent = caption;
      figure.append(image, under);
      return figure;
    }));
    const buttons = asked.choices.map(({ key, label }, i) => button(label, key, () => answer(i)));
    const last = button("undo", "u", undo);
    last.className = "undo";
    find("choices").replaceChildren(...buttons, last);
    [shown, hidden, left] = [performance.now(), 0, document.hidden ? performance.now() : null];
    enable();
  }

  function say() {
    find("message").textContent = model.get("message");
    root.querySelector("progress").value = model.get("share");
    root.dataset.status = model.get("status");
    enable();
  }

  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const pressed = event.key.toLowerCase();
    const choice = (model.get("asked").choices || []).findIndex(({ key }) => key === pressed);
    if (choice < 0 && pressed !== "u") return;
    event.preventDefault();
    event.stopPropagation(); // or JupyterLab takes it for a command
    choice < 0 ? undo() : answer(choice);
  });

  model.on("change:asked", draw);
  for (const name of ["status", "message", "given", "share", "undoable"]) model.on("change:" + name, say);
  draw();
  say();
  return () => document.removeEventListener("visibilitychange", watch);
}
export default { render };
