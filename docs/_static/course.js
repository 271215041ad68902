// What a keyboard must reach: boxes that scroll. And names for the two side bars.
function reachable() {
  for (const box of document.querySelectorAll("pre, .math, .table-wrapper, .cell_output > .output")) {
    if (box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1) {
      box.tabIndex = 0;
    }
  }
}

addEventListener("DOMContentLoaded", () => {
  document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "Site");
  document.querySelector(".toc-drawer")?.setAttribute("aria-label", "This page");
  reachable();
});
addEventListener("load", reachable);
addEventListener("resize", reachable);
