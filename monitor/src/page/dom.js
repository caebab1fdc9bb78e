// Building and updating elements. Texts are always set as text: nothing that a process reports is ever markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children, which are elements or texts. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Sets a text only where it differs, so that selections and screen readers are left in peace. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setClass(element, name) {
  if (element.className !== name) element.className = name;
}

/**
 * Makes the children of `parent` those of `items`, in their order: `make(item)` builds what is new and
 * `update(element, item)` brings every one up to date. Elements are kept by `key(item)`.
 */
export function reconcile(parent, items, key, make, update) {
  const old = new Map([...parent.children].map((element) => [element.dataset.key, element]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    let element = old.get(name);
    if (element) {
      old.delete(name);
    } else {
      element = make(item);
      element.dataset.key = name;
    }
    update(element, item);
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const element of old.values()) element.remove();
}

/** The texts of a `dl`, as pairs of label and value. */
export function setPairs(list, pairs) {
  reconcile(
    list,
    pairs,
    ([label]) => label,
    ([label]) => el("div", {}, el("dt", {}, label), el("dd")),
    (element, [, value]) => setText(element.lastElementChild, value),
  );
}
