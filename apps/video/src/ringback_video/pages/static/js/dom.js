// Small helpers for the page.

export const $ = (id) => document.getElementById(id);

/** Make an element: make("p", { className: "x" }, "text", child). Text is never read as HTML. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && !name.startsWith("aria")) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export function show(element, visible) {
  element.hidden = !visible;
}

/** Say something to a screen reader; saying the same twice is heard twice. */
export function say(text) {
  $("live").textContent = "";
  setTimeout(() => { $("live").textContent = text; }, 50);
}

/** What this browser was told to remember; null where it remembers nothing, as with cookies switched off. */
export function kept(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Have this browser remember something, if it will. */
export function keep(name, text) {
  try {
    localStorage.setItem(name, text);
  } catch {
    // then it holds until the page is left
  }
}

// randomUUID exists on secure pages only
export const newKey = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
