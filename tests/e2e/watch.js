// Runs in every page of the tests before the page's own scripts, and complains on the console.
addEventListener("securitypolicyviolation", (event) => {
  console.error(`complaint: ${event.violatedDirective} stopped ${event.blockedURI || "something inline"}`);
});

const channels = (colour) => (colour.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);

const luminance = (colour) => {
  const [red, green, blue] = channels(colour).map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};

const behind = (element) => {
  for (let one = element; one; one = one.parentElement) {
    const colour = getComputedStyle(one).backgroundColor;
    if ((channels(colour)[3] ?? 1) === 1) return colour;
  }
  return getComputedStyle(document.documentElement).colorScheme.includes("dark") ? "rgb(18, 18, 18)" : "rgb(255, 255, 255)";
};

// WCAG 2.2, 1.4.3
const contrast = (element) => {
  const [light, dark] = [luminance(getComputedStyle(element).color), luminance(behind(element))].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
};

// For the tests: how well the ring around the element that has the focus can be seen against what is behind it.
globalThis.focusRing = () => {
  const element = document.activeElement;
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  const [light, dark] = [luminance(style.outlineColor), luminance(behind(element.parentElement))].sort((a, b) => b - a);
  return {
    element: `${element.localName} ${(element.innerText || element.name || "").trim().slice(0, 40)}`,
    drawn: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    contrast: (light + 0.05) / (dark + 0.05),
    onScreen: box.width > 1 && box.height > 1 && box.bottom > 0 && box.top < innerHeight,
  };
};

const saysSomething = (element) =>
  element.checkVisibility() && [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());

addEventListener("load", () => {
  if (!location.protocol.startsWith("http") || location.pathname.startsWith("/admin/")) return; // no page yet, or not one of ours
  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth) console.error(`complaint: ${wide} px wide on a screen of ${innerWidth} px`);
  if (document.querySelectorAll("h1").length !== 1) console.error("complaint: not one heading of level one");
  for (const element of document.body.querySelectorAll("*")) {
    if (saysSomething(element) && contrast(element) < 4.5) {
      console.error(`complaint: faint text "${element.textContent.trim().slice(0, 40)}" ${contrast(element).toFixed(1)}`);
    }
  }
});
