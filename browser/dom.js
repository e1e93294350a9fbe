// The page's elements, made without HTML of anything that comes from outside.

export const find = (selector, root = document) => root.querySelector(selector);

/** An element: attributes by name, `on` for events, `style` for its CSS variables and rules; then what is inside. */
export function make(tag, { on = {}, style = {}, ...attributes } = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  for (const [name, listener] of Object.entries(on)) element.addEventListener(name, listener);
  for (const [name, value] of Object.entries(style)) element.style.setProperty(name, value);
  element.append(...inside);
  return element;
}

/** Put HTML that was staged with the page into an element; its styles wait in `data-style` for the security policy. */
export function staged(element, html) {
  element.innerHTML = html;
  for (const one of element.querySelectorAll("[data-style]")) one.style.cssText = one.dataset.style;
}

/** A picture that a worker gave, as a canvas with a text for those who do not see it. */
export function canvas(picture, label) {
  const element = make("canvas", { role: "img", "aria-label": label, width: picture.width, height: picture.height });
  element.getContext("2d").putImageData(picture, 0, 0);
  return element;
}
