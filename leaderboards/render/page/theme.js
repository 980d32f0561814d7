"use strict";
// The theme: as the system, light or dark. Remembered where the browser lets a page remember.
(() => {
  const names = ["auto", "light", "dark"];
  const told = { auto: "as the system", light: "light", dark: "dark" };
  const root = document.documentElement;
  const remembered = () => {
    try {
      return localStorage.getItem("tvseg-bench-theme");
    } catch {
      return null; // a page opened from disk may have no storage
    }
  };
  const show = (name) => {
    root.dataset.theme = name;
    const button = document.getElementById("theme");
    if (!button) return;
    button.setAttribute("aria-label", `Colours: ${told[name]}. Change`);
    button.querySelector(".theme-name").textContent = name[0].toUpperCase() + name.slice(1);
  };
  const first = remembered();
  show(names.includes(first) ? first : "auto");
  document.addEventListener("DOMContentLoaded", () => {
    show(root.dataset.theme);
    document.getElementById("theme")?.addEventListener("click", () => {
      const name = names[(names.indexOf(root.dataset.theme) + 1) % names.length];
      show(name);
      try {
        localStorage.setItem("tvseg-bench-theme", name);
      } catch {
        // shown, not remembered
      }
    });
  });
})();
