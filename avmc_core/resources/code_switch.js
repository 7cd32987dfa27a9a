/* One switch for the code of all pages; what is chosen is remembered where the browser lets us. */
window.avmcCode = (() => {
  const root = document.documentElement, key = "avmc-code", folded = "details.hide.above-input";
  const read = () => { try { return localStorage.getItem(key) === "on"; } catch { return false; } };
  const keep = on => { try { localStorage.setItem(key, on ? "on" : "off"); } catch { /* only this page then */ } };
  const show = on => {
    root.classList.toggle("avmc-code", on);
    document.querySelectorAll(".btn-avmc-code-button").forEach(b => {
      b.setAttribute("aria-pressed", on);
      b.setAttribute("aria-label", "Code behind figures and tables");
    });
    document.querySelectorAll(`.cell > ${folded}`).forEach(d => { d.open = on || d.parentElement.classList.contains("avmc-here"); });
  };
  const own = cell => {
    const captions = cell.querySelectorAll(".avmc-caption"), place = captions[captions.length - 1];
    if (!place) return;
    const button = document.createElement("button");
    button.type = "button"; button.className = "avmc-own-code"; button.textContent = "code of this cell";
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => {
      const open = cell.classList.toggle("avmc-here");
      button.setAttribute("aria-expanded", open);
      cell.querySelectorAll(`:scope > ${folded}`).forEach(d => { d.open = open || root.classList.contains("avmc-code"); });
      if (open) cell.scrollIntoView({ block: "start" });
    });
    place.append(" · ", button);
  };
  root.classList.add("avmc-switch");
  root.classList.toggle("avmc-code", read());
  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(".cell").forEach(cell => { if (cell.querySelector(`:scope > ${folded}`)) own(cell); });
    show(read());
  });
  return { toggle() { const on = !root.classList.contains("avmc-code"); keep(on); show(on); } };
})();
